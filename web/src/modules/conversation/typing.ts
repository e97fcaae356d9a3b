/** What of a key press matters here; React's and the DOM's events both have it. */
export interface Press {
  key: string
  shiftKey: boolean
  isComposing: boolean
  keyCode: number
}

/** While an input method composes, keys are its own. Safari ends the composition before the Enter that ended it: 229 says so. */
export function composes(e: Press): boolean {
  return e.isComposing || e.keyCode === 229
}

/** Enter sends at a desk; on a phone, whose keyboard has no Shift at hand, it is a new line. */
export function sends(e: Press, coarse: boolean): boolean {
  return e.key === 'Enter' && !e.shiftKey && !coarse && !composes(e)
}

/** Tab takes what is offered, and so does Enter; but what is typed `whole` has nothing to be completed, and is sent. */
export function takes(e: Press, coarse: boolean, whole: boolean): boolean {
  return e.key === 'Tab' || (e.key === 'Enter' && !e.shiftKey && !(whole && sends(e, coarse)))
}
