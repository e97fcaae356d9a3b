/** The last lines of a text of which, if `cut`, the beginning is missing. Of a line that was written over, what it says now. */
export function lastLines(text: string, count: number, cut: boolean): string {
  const lines = text.replaceAll('\r\n', '\n').trimEnd().split('\n')
  // The first of what was cut may be half a line.
  if (cut && lines.length > 1) lines.shift()
  const shown = lines.slice(-count).map((line) => line.trimEnd().slice(line.trimEnd().lastIndexOf('\r') + 1))
  return cut || shown.length < lines.length ? `…\n${shown.join('\n')}` : shown.join('\n')
}
