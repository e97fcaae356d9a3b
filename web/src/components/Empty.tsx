import type { ReactNode } from 'react'

/** An empty place, and the next step from it. */
export function Empty({ title, children, action, mark }: { title: string; children?: ReactNode; action?: ReactNode; mark?: ReactNode }) {
  return (
    <div className="mx-auto flex max-w-md flex-col items-center gap-2 px-6 py-12 text-center">
      {mark}
      <p className="text-title font-strong text-balance">{title}</p>
      {children && <p className="text-balance text-muted">{children}</p>}
      {action && <div className="mt-3 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  )
}

/** Stands where something will be in a moment. */
export function Loading({ label, rows = 3 }: { label: string; rows?: number }) {
  return (
    <div role="status" aria-label={label} className="flex flex-col gap-3 p-4">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className={`h-4 animate-glow rounded-small bg-sunken ${i % 3 === 1 ? 'w-4/5' : i % 3 === 2 ? 'w-3/5' : 'w-full'}`} />
      ))}
    </div>
  )
}
