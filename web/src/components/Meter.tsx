/** A figure against its limit. Without a limit it is only the figure. */
export function Meter({ name, value, share, full = true, bare = false }: { name: string; value: string; share?: number; /** Whether it is bad to be near the limit. */ full?: boolean; /** Its name is said by a column, where there is room for one. */ bare?: boolean }) {
  const part = share === undefined ? undefined : Math.min(1, Math.max(0, share))
  const tone = part === undefined || !full || part <= 0.75 ? 'bg-accent' : part > 0.9 ? 'bg-danger' : 'bg-wait'
  return (
    <div className="text-minor">
      <p className="flex justify-between gap-4 tabular">
        <span className={bare ? 'text-muted @5xl:sr-only' : 'text-muted'}>{name}</span>
        <span>{value}</span>
      </p>
      {part !== undefined && (
        <span className="mt-1.5 block h-1 overflow-hidden rounded-full bg-sunken" aria-hidden="true">
          <span className={`block h-full rounded-full ${tone}`} style={{ width: `${part * 100}%` }} />
        </span>
      )}
    </div>
  )
}
