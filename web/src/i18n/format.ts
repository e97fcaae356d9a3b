import { getLocale } from './locale'

const made = new Map<string, object>()

/** One formatter for all that is written alike: to make one takes a hundred times as long as to use it. */
function once<F extends object>(kind: string, options: object, make: () => F): F {
  const key = kind + getLocale() + JSON.stringify(options)
  let f = made.get(key) as F | undefined
  if (!f) made.set(key, (f = make()))
  return f
}

const formatter = (options: Intl.NumberFormatOptions) => once('number', options, () => new Intl.NumberFormat(getLocale(), options))
// One keeps the time zone that it was made in, and people travel.
const dates = (options: Intl.DateTimeFormatOptions) => once(`date ${new Date().getTimezoneOffset()}`, options, () => new Intl.DateTimeFormat(getLocale(), options))

/** Between a digit and a Chinese character stands a space, as in the messages; the language's own formats have none. */
const apart = (text: string) => text.replace(/(\d)(\p{Script=Han})/gu, '$1 $2')

export function number(n: number): string {
  return formatter({}).format(n)
}

/** To two places: a share of cores. */
export function cores(n: number): string {
  return formatter({ maximumFractionDigits: 2 }).format(n)
}

/** 12.4k: a size at a glance. */
export function compact(n: number): string {
  return apart(formatter({ notation: 'compact', maximumFractionDigits: 1 }).format(n))
}

export function percent(share: number): string {
  return formatter({ style: 'percent', maximumFractionDigits: share > 0 && share < 0.01 ? 1 : 0 }).format(share)
}

export function money(usd: number): string {
  const digits = usd !== 0 && usd < 0.1 ? 4 : 2
  return formatter({ style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol', minimumFractionDigits: 2, maximumFractionDigits: digits }).format(usd)
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function bytes(n: number): string {
  let i = 0
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024
    i++
  }
  return `${formatter({ maximumFractionDigits: n < 10 && i > 0 ? 1 : 0 }).format(n)} ${units[i]}`
}

/** A length of time in the largest unit that says enough. */
export function duration(ms: number): string {
  // Rounded before it is taken apart: else its seconds come to 60.
  const s = ms < 9_950 ? ms / 1000 : Math.round(ms / 1000)
  const unit = (value: number, unit: string, digits = 0) => apart(formatter({ style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits }).format(value))
  if (s < 10) return unit(s, 'second', 1)
  if (s < 60) return unit(s, 'second')
  if (s < 3600) return `${unit(Math.floor(s / 60), 'minute')} ${unit(s % 60, 'second')}`
  if (s < 2 * 86_400) return `${unit(Math.floor(s / 3600), 'hour')} ${unit(Math.floor((s % 3600) / 60), 'minute')}`
  return `${unit(Math.floor(s / 86_400), 'day')} ${unit(Math.floor((s % 86_400) / 3600), 'hour')}`
}

/** How long ago, as of `now`: minutes and hours today, the weekday this week, else the date. */
export function ago(at: string, now: number): string {
  const then = Date.parse(at)
  if (Number.isNaN(then)) return ''
  const minutes = Math.max(0, Math.floor((now - then) / 60_000))
  const options: Intl.RelativeTimeFormatOptions = { style: 'narrow', numeric: 'auto' }
  const relative = once('relative', options, () => new Intl.RelativeTimeFormat(getLocale(), options))
  if (minutes < 1) return relative.format(0, 'second')
  if (minutes < 60) return apart(relative.format(-minutes, 'minute'))
  if (minutes < 24 * 60) return apart(relative.format(-Math.floor(minutes / 60), 'hour'))
  const day: Intl.DateTimeFormatOptions = minutes < 6 * 24 * 60 ? { weekday: 'short' } : { month: 'short', day: 'numeric' }
  return dates(day).format(then)
}

/** The time of day. */
export function time(at: number): string {
  return dates({ timeStyle: 'short' }).format(at)
}

/** The weekday and the time of day. */
export function timeOfDay(at: number): string {
  return dates({ weekday: 'short', hour: 'numeric', minute: '2-digit' }).format(at)
}

export function dateTime(at: string): string {
  const then = Date.parse(at)
  if (Number.isNaN(then)) return ''
  return dates({ dateStyle: 'medium', timeStyle: 'short' }).format(then)
}

/** The same to the second. */
export function dateTimeExact(at: string): string {
  const then = Date.parse(at)
  if (Number.isNaN(then)) return ''
  return dates({ dateStyle: 'medium', timeStyle: 'medium' }).format(then)
}
