/** Where a browser keeps in which project the last session was begun. */
export const lastProjectKey = 'carrel.project'
