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

  // A conversation's code: at once where it is looked at, elsewhere when the browser has nothing else to do.
  var session = /^\/s\/([^/]+)$/.exec(location.pathname)
  var code = document.getElementById('conversation')
  if (code) code.rel = session ? 'modulepreload' : 'prefetch'

  // What the page asks for first is under way while its code comes; src/api/early.ts takes the answers.
  window.carrelEarly = new Map()
  keep('/api/v1/config', get('/api/v1/config'))
  if (/^\/(login|register|setup)$/.test(location.pathname)) return
  var me = keep('/api/v1/me', get('/api/v1/me'))
  if (session && !/[?&]at=/.test(location.search)) {
    var path = '/api/v1/sessions/' + session[1] + '/events?before=0&limit=200'
    // Who is not signed in is told so once.
    keep(path, me.then(function (r) { return r.ok ? get(path) : new Response(null, { status: r.status }) }))
  }

  // A browser reads its data of numbers and dates at their first use, which takes as long as a view. Now it waits anyway.
  new Intl.NumberFormat()

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
