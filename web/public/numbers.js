// See early.js.
new Intl.NumberFormat()
new Intl.DateTimeFormat()
close()
