/** Whether ⌘ does what Ctrl does elsewhere. */
export const mac = typeof navigator !== 'undefined' && /^(Mac|iP)/.test(navigator.platform)
