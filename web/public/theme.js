// Runs before the first paint, so that a chosen theme never flashes. A file of
// its own, because the content security policy forbids inline scripts.
;(function () {
  var theme = null
  try {
    theme = localStorage.getItem('carrel.theme')
  } catch (e) {
    // Storage may be switched off; the system's theme is shown then.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
})()
