// Signs that turn the order of letters, with which one text is made to look like another.
const turning = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
// oxlint-disable-next-line no-control-regex
const hidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
// What a terminal would obey: its strings (titles, links, the clipboard), its commands, the rest. Either may lack its end.
// oxlint-disable-next-line no-control-regex
const escapes = /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?/g

/** A text of which nothing turns the rest. */
export function withoutBidi(text: string): string {
  return text.replace(turning, '')
}

/** A name, a command or code as it is: what turns or hides other signs is shown by its number. */
export function plain(text: string): string {
  return text.replace(hidden, (c) => `‹U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}›`)
}

/** What a program wrote, without what it told a terminal. */
export function withoutEscapes(text: string): string {
  return text.replace(escapes, '')
}
