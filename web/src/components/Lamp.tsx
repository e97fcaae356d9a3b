export type Light = 'running' | 'ready' | 'starting' | 'waiting' | 'dormant' | 'failed' | 'queued'

const colours: Record<Light, string> = {
  running: 'text-accent',
  ready: 'text-accent',
  starting: 'text-accent',
  waiting: 'text-wait',
  dormant: 'text-edge',
  failed: 'text-danger',
  queued: 'text-muted',
}

/** The one mark of the house: the state of a session, by shape as well as by colour. */
export function Lamp({ light, place, size = 16, label }: { light: Light; place?: number | null; size?: number; label?: string }) {
  const lit = light === 'running'
  const low = light === 'ready' || light === 'starting'
  return (
    <svg
      viewBox="0 0 16 16"
      width={size}
      height={size}
      className={`shrink-0 ${colours[light]} ${light === 'starting' ? 'animate-glow' : ''}`}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      role={label ? 'img' : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      <path d="M2.5 7.5a5.5 5.5 0 0 1 11 0z" fill={lit || low ? 'currentColor' : 'none'} fillOpacity={low ? 0.25 : 1} strokeDasharray={light === 'failed' ? '2.2 2.6' : undefined} />
      <path d="M8 7.5V13M5 13.3h6" strokeDasharray={light === 'failed' ? '2 2.2' : undefined} />
      {lit && <path d="m3.5 10-.8 1.6M12.5 10l.8 1.6" strokeWidth="1.3" />}
      {light === 'waiting' && <circle cx="13" cy="3.2" r="2.6" fill="currentColor" stroke="none" />}
      {light === 'queued' && (
        <text x="13" y="6.5" fontSize="7.5" fontWeight="600" fill="currentColor" stroke="none" textAnchor="middle">
          {place && place > 0 ? Math.min(place, 99) : '…'}
        </text>
      )}
    </svg>
  )
}
