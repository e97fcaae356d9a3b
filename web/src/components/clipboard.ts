/** Copies, also where the page came over plain http and has no clipboard of its own. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.setAttribute('readonly', '')
    area.className = 'fixed opacity-0'
    // Beside an open dialog nothing can be selected.
    ;(document.activeElement?.closest('dialog') ?? document.body).append(area)
    area.select()
    const ok = document.execCommand('copy')
    area.remove()
    return ok
  }
}

/** What was copied; null where the browser does not give it: over plain http, or because it was not allowed. */
export async function copiedText(): Promise<string | null> {
  try {
    return await navigator.clipboard.readText()
  } catch {
    return null
  }
}
