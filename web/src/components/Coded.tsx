/** A message in which what stands between backticks is code. */
export function Coded({ text }: { text: string }) {
  return text.split('`').map((part, i) =>
    i % 2 === 1 ? (
      <code key={i} className="rounded-small bg-surface px-1.5 py-0.5 font-mono text-code box-decoration-clone">
        {part}
      </code>
    ) : (
      part
    ),
  )
}
