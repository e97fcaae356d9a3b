// Runs before the page's own code is there. A file of its own, because the
// content security policy forbids inline scripts.
;(function () {
  // A chosen theme never flashes.
  var theme = null
  var known = null // the role of who was signed in last
  try {
    theme = localStorage.getItem('carrel.theme')
    known = localStorage.getItem('carrel.known')
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
  var config = keep('/api/v1/config', get('/api/v1/config'))
  if (/^\/(login|register|setup)$/.test(location.pathname)) return
  var me = keep('/api/v1/me', known ? get('/api/v1/me') : config.then(askMe))
  var lists = { '/': ['projects'], '/projects': ['projects'], '/terminal': ['terminals', 'projects'] }
  if (known === 'admin') Object.assign(lists, { '/admin/users': ['users'], '/admin/instances': ['instances', 'users'] }) // others are refused
  var asked = ['sessions'].concat(lists[location.pathname] || []).map(function (list) { return '/api/v1/' + list + '?limit=200' })
  var session = /^\/s\/([^/]+)$/.exec(location.pathname)
  if (session && !/[?&]at=/.test(location.search)) asked.unshift('/api/v1/sessions/' + session[1] + '/events?before=0&limit=200')
  asked.forEach(function (path) { ask(path) })
  if (/^\/files\/(?!temp\/\.trash\/*$)./.test(location.pathname)) askFile(location.pathname.slice('/files/'.length).replace(/\/+$/, ''))
  // What nobody took by then was asked for in vain; later it would be old.
  setTimeout(function () { window.carrelEarly.clear() }, 30000)

  // A browser reads its data of numbers and dates at their first use, which takes as long as a view. It is one for the
  // page and its workers: one of these reads it, while the page waits for its code.
  setTimeout(function () { new Worker('/numbers.js') })

  // Where nobody was signed in on this device it is told so once.
  function ask(path, how) {
    return keep(path, known ? get(path, how) : me.then(function (r) { return r.ok ? get(path, how) : new Response(null, { status: r.status }) }))
  }

  // Nobody is refused, which the console would show, only to learn that they have not signed in.
  function askMe(answer) {
    return answer.ok
      ? answer.clone().json().then(function (c) { return c.signed_in === false ? new Response(null, { status: 401 }) : get('/api/v1/me') })
      : get('/api/v1/me')
  }

  // A short text is read as soon as it is known to be a file.
  function askFile(name) {
    try {
      name = 'path=' + encodeURIComponent(decodeURIComponent(name))
    } catch (e) {
      return // not an address of ours
    }
    ask('/api/v1/files?' + name + '&limit=1000').then(function (r) {
      return r.ok && r.clone().json()
    }).then(function (entry) {
      if (entry && entry.type === 'file' && entry.size_bytes <= 100000 && !/\.(png|jpe?g|gif|webp|pdf)$/i.test(entry.path)) ask('/api/v1/files/content?' + name, { cache: 'no-cache' })
    }).catch(function () {})
  }

  // Read to its end: an answer that nobody takes would keep its connection.
  function get(path, how) {
    return fetch(path, Object.assign({ credentials: 'same-origin' }, how)).then(function (r) {
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
