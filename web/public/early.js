// Runs before the page's own code is there. A file of its own, because the
// content security policy forbids inline scripts.
;(function () {
  // A chosen theme never flashes.
  var theme = null
  try {
    theme = localStorage.getItem('carrel.theme')
  } catch (e) {
    // Storage may be switched off; the system's theme is shown then.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme

  // The code of what is looked at comes beside the page's own, not after it.
  var code = (window.carrelCode = JSON.parse(document.currentScript.dataset.code || '{}'))
  var view = location.pathname
  while (view && !Object.hasOwn(code, view)) view = view.slice(0, view.lastIndexOf('/'))
  ;(code[view] || []).forEach(function (file) {
    var link = document.createElement('link')
    link.rel = 'modulepreload'
    link.href = file
    document.head.appendChild(link)
  })

  // What the page asks for first is under way while its code comes; src/api/early.ts takes the answers.
  window.carrelEarly = new Map()
  keep('/api/v1/config', get('/api/v1/config'))
  if (/^\/(login|register|setup)$/.test(location.pathname)) return
  var me = keep('/api/v1/me', get('/api/v1/me'))
  var lists = { '/': ['projects'], '/projects': ['projects'], '/admin/users': ['users'], '/admin/instances': ['instances', 'users'] }
  var asked = ['sessions'].concat(lists[location.pathname] || []).map(function (list) { return '/api/v1/' + list + '?limit=200' })
  var session = /^\/s\/([^/]+)$/.exec(location.pathname)
  if (session && !/[?&]at=/.test(location.search)) asked.unshift('/api/v1/sessions/' + session[1] + '/events?before=0&limit=200')
  asked.forEach(function (path) {
    // Who is not signed in is told so once.
    keep(path, me.then(function (r) { return r.ok ? get(path) : new Response(null, { status: r.status }) }))
  })

  // A browser reads its data of numbers and dates at their first use, which takes as long as a view. It is one for the
  // page and its workers: one of these reads it, while the page waits for its code.
  setTimeout(function () { new Worker('/numbers.js') })

  // Read to its end: an answer that nobody takes would keep its connection.
  function get(path) {
    return fetch(path, { credentials: 'same-origin' }).then(function (r) {
      return r.arrayBuffer().then(function (body) {
        return new Response(body.byteLength > 0 ? body : null, { status: r.status, statusText: r.statusText, headers: r.headers })
      })
    })
  }

  function keep(path, answer) {
    answer.catch(function () {})
    window.carrelEarly.set(path, answer)
    return answer
  }
})()
