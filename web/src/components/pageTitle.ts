import { useEffect } from 'react'

let pageTitle = ''
let waiting = 0
let running = 0

/** Names the page in the browser's tab, behind the mark of all sessions. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    pageTitle = title
    paint()
  }, [title])
}

/** Shows in tab and icon how many sessions wait for the user, or whether one runs. */
export function markTab(nowWaiting: number, nowRunning: number): void {
  waiting = nowWaiting
  running = nowRunning
  paint()
}

function paint(): void {
  const name = pageTitle ? `${pageTitle} · Carrel` : 'Carrel'
  document.title = waiting > 0 ? `(${waiting}) ${name}` : name
  const lamp = waiting > 0 ? 'wait' : running > 0 ? 'run' : 'off'
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
  const href = `/lamp-${lamp}.svg`
  if (icon && icon.getAttribute('href') !== href) icon.setAttribute('href', href)
}
