/** A message in which what stands between backticks is code. */
export function Coded({ text }: { text: string }) {
  const parts = text.split('`')
  // One that has no other stays what it is.
  if (parts.length % 2 === 0) parts.push(parts.splice(-2).join('`'))
  return parts.map((part, i) =>
    i % 2 === 1 ? (
      <code key={i} className="rounded-small bg-surface px-1.5 py-0.5 font-mono text-code box-decoration-clone">
        {part}
      </code>
    ) : (
      part
    ),
  )
}
