/** Letters and digits that are not taken for one another; 32 of them, so that each is as likely as any. */
const signs = 'abcdefghijkmnpqrstuvwxyz23456789'

/** A password that can be read out: 80 bits in four groups. */
export function suggested(): string {
  const picked = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => signs[byte % signs.length]!)
  return picked.join('').replace(/(.{4})(?=.)/g, '$1-')
}
