import { createContext, useContext } from 'react'

/** The session whose conversation is drawn: for the rows' actions. */
export const SessionId = createContext('')

export const useSessionId = (): string => useContext(SessionId)
