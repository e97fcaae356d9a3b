import type { ButtonHTMLAttributes, MouseEvent } from 'react'

type Look = 'primary' | 'quiet' | 'plain' | 'danger' | 'wait'

const looks: Record<Look, string> = {
  primary: 'bg-accent text-on-accent font-strong hover:brightness-110 px-4',
  quiet: 'border border-edge/50 bg-surface hover:bg-hover px-3',
  plain: 'hover:bg-hover px-3',
  danger: 'border border-danger/60 text-danger hover:bg-removed px-3',
  wait: 'bg-wait text-page font-strong hover:brightness-110 px-4',
}

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look
  busy?: boolean
}

/** While it is busy it does nothing, and keeps the focus, which a disabled one loses. */
export function Button({ look = 'quiet', busy = false, className = '', onClick, children, type = 'button', ...rest }: Props) {
  return (
    <button
      {...rest}
      type={type}
      onClick={busy ? refuse : onClick}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      className={`inline-flex min-h-11 items-center justify-center gap-2 rounded-control py-1.5 text-minor transition-[filter,background-color,opacity] disabled:opacity-50 aria-disabled:opacity-50 desk:min-h-9 ${looks[look]} ${className}`}
    >
      {children}
    </button>
  )
}

/** Also what Enter in a form presses. */
function refuse(e: MouseEvent): void {
  e.preventDefault()
  e.stopPropagation()
}

interface IconProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string
}

/** A button that is only a picture; its name is for those who cannot see it, and a tip for those who can. */
export function IconButton({ label, className = '', type = 'button', ...rest }: IconProps) {
  return (
    <button
      {...rest}
      type={type}
      aria-label={label}
      title={label}
      className={`inline-grid size-11 shrink-0 place-items-center rounded-control text-muted transition-colors hover:bg-hover hover:text-content disabled:opacity-40 desk:size-8 ${className}`}
    />
  )
}
