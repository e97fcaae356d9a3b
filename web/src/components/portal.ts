import { createContext } from 'react'

/** Where menus hang: within an open sheet, as all that is outside of it is out of reach. Null: in the page itself. */
export const PortalPlace = createContext<HTMLDialogElement | null>(null)
