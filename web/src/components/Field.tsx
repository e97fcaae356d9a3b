import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes } from 'react'
import { Coded } from './Coded'

const box =
  'w-full min-h-11 desk:min-h-9 rounded-control border border-edge bg-surface px-3 py-1.5 text-[1rem] desk:text-body text-content placeholder:text-muted disabled:opacity-60 aria-invalid:border-danger'

interface Labelled {
  label: string
  hint?: ReactNode
  error?: string
}

function Frame({ id, label, hint, error, children }: Labelled & { id: string; children: ReactNode }) {
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-minor font-strong">
        {label}
      </label>
      {children}
      {error ? (
        <p id={`${id}-note`} role="alert" className="text-minor text-danger">
          <Coded text={error} />
        </p>
      ) : (
        hint && (
          <p id={`${id}-note`} className="text-minor text-muted">
            {hint}
          </p>
        )
      )}
    </div>
  )
}

export function Field({ label, hint, error, className = '', ...rest }: Labelled & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <Frame id={id} label={label} hint={hint} error={error}>
      <input {...rest} id={id} aria-invalid={error ? true : undefined} aria-describedby={hint || error ? `${id}-note` : undefined} className={`${box} ${className}`} />
    </Frame>
  )
}

export function Select({ label, hint, error, children, ...rest }: Labelled & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId()
  return (
    <Frame id={id} label={label} hint={hint} error={error}>
      <select {...rest} id={id} className={`${box} ps-2 pe-1`}>
        {children}
      </select>
    </Frame>
  )
}
