import type { ITheme } from '@xterm/xterm'

const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const

/** The tokens as the terminal draws them: it takes colours, not names of them. */
export function palette(host: HTMLElement): ITheme {
  const probe = host.appendChild(document.createElement('span'))
  const colour = (token: string) => {
    probe.style.color = `var(${token})`
    return getComputedStyle(probe).color
  }
  const theme: Record<string, string> = {
    background: colour('--surface'),
    foreground: colour('--content'),
    cursor: colour('--accent'),
    cursorAccent: colour('--surface'),
    selectionBackground: colour('--ansi-selection'),
    selectionInactiveBackground: colour('--ansi-selection'),
  }
  for (const [i, name] of names.entries()) {
    theme[name] = colour(`--ansi-${i}`)
    theme[`bright${name[0]!.toUpperCase()}${name.slice(1)}`] = colour(`--ansi-${i + 8}`)
  }
  probe.remove()
  return theme
}

/** Calls back when the page's theme changes, by its own switch or the system's. */
export function onPalette(f: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  const chosen = new MutationObserver(f)
  system.addEventListener('change', f)
  chosen.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
  return () => {
    system.removeEventListener('change', f)
    chosen.disconnect()
  }
}
