const paths = {
  back: 'M12.5 4.5 7 10l5.5 5.5',
  more: 'M4.5 10h.01M10 10h.01M15.5 10h.01',
  plus: 'M10 4v12M4 10h12',
  close: 'm5 5 10 10M15 5 5 15',
  check: 'm4 10.5 4 4 8-9',
  chevron: 'm6 8 4 4 4-4',
  right: 'm8 5 5 5-5 5',
  copy: 'M7 7V4.5A1.5 1.5 0 0 1 8.5 3h7A1.5 1.5 0 0 1 17 4.5v7a1.5 1.5 0 0 1-1.5 1.5H13M4.5 7h7A1.5 1.5 0 0 1 13 8.5v7a1.5 1.5 0 0 1-1.5 1.5h-7A1.5 1.5 0 0 1 3 15.5v-7A1.5 1.5 0 0 1 4.5 7z',
  paste: 'M7.5 4.5h-2A1.5 1.5 0 0 0 4 6v10a1.5 1.5 0 0 0 1.5 1.5h9A1.5 1.5 0 0 0 16 16V6a1.5 1.5 0 0 0-1.5-1.5h-2M7.5 3h5v3h-5z',
  send: 'M10 16V4.5M4.8 9.6 10 4.4l5.2 5.2',
  stop: 'M6 6h8v8H6z',
  voice: 'M10 12.5A2.5 2.5 0 0 0 12.5 10V5.5a2.5 2.5 0 0 0-5 0V10a2.5 2.5 0 0 0 2.5 2.5zM5 9.5a5 5 0 0 0 10 0M10 14.5V17',
  down: 'M10 4v12M5 11l5 5 5-5',
  home: 'M3.5 9.5 10 4l6.5 5.5V16a.8.8 0 0 1-.8.8H4.3a.8.8 0 0 1-.8-.8z',
  chat: 'M3.5 4.5h13v9.2H9.2L5.5 17v-3.3h-2z',
  folder: 'M3 5.5h5l1.8 2H17v8.2H3z',
  user: 'M10 10a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM4 16.8c.6-3 3-4.6 6-4.6s5.4 1.6 6 4.6',
  users: 'M7.5 9.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM2.5 16c.5-2.7 2.5-4.1 5-4.1s4.5 1.4 5 4.1M13 4.2a2.7 2.7 0 0 1 0 5.2M14.5 12.3c1.6.5 2.7 1.8 3 3.7',
  box: 'm10 3 6.5 3.4v7.2L10 17l-6.5-3.4V6.4zM3.7 6.5 10 10l6.3-3.5M10 10v7',
  pulse: 'M2.5 10.5h3.2l2.2-5.5 3.6 10 2.4-4.5h3.6',
  key: 'M12.7 11.3a4 4 0 1 0-3.5-2.2L3.5 14.8V17h2.7v-1.8H8v-1.8h1.5z',
  out: 'M12 6V4H4v12h8v-2M8.5 10H17M14 7l3 3-3 3',
  away: 'M11.5 4H16v4.5M16 4l-6.5 6.5M13.5 11.5V16H4V6.5h4.5',
  branch: 'M6 4v12M6 12.5c5 0 8-1.5 8-6M14 4v2.5',
  warn: 'M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.3h.01',
  clock: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4l2.7 1.8',
  dash: 'M5 10h10',
  file: 'M5 3h6.5L15.5 7v10H5zM11.5 3v4h4',
  list: 'M8 5.5h9M8 10h9M8 14.5h9M3.5 5.5h1M3.5 10h1M3.5 14.5h1',
  record: 'M5 3h10v14H5zM7.5 6.8h5M7.5 10h5M7.5 13.2h3',
  panel: 'M3 4.5h14v11H3zM12.5 4.5v11',
  search: 'M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM13 13l4 4',
  terminal: 'M3 4.5h14v11H3zM6 8l2.5 2L6 12M10.5 12.5h3.5',
  upload: 'M10 13V3.5M5.5 8 10 3.5 14.5 8M3.5 13v3.5h13V13',
  download: 'M10 3.5V13M5.5 8.5 10 13l4.5-4.5M3.5 13v3.5h13V13',
  image: 'M3 4h14v12H3zM3 13.5l4-4 3.5 3.5 2.5-2.5 4 4M13 7.5h.01',
  trash: 'M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.7 11h7.6l.7-11M8.5 8.5v5M11.5 8.5v5',
  folderNew: 'M3 5.5h5l1.8 2H17v8.2H3zM10 9.5v4M8 11.5h4',
  refresh: 'M16 10a6 6 0 1 1-1.8-4.2M16 3.5v3h-3',
  pen: 'm4 16 .7-3L13 4.7l2.3 2.3L7 15.3z',
} as const

export type IconName = keyof typeof paths

export function Icon({ name, size = 18, className = '' }: { name: IconName; size?: number; className?: string }) {
  return (
    <svg viewBox="0 0 20 20" width={`${size / 16}rem`} height={`${size / 16}rem`} className={`shrink-0 ${className}`} fill="none" stroke="currentColor" strokeWidth={name === 'more' ? 2.4 : 1.5} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={paths[name]} fill={name === 'stop' ? 'currentColor' : 'none'} />
    </svg>
  )
}
