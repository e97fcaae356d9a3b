/** What the build says of itself: put in place of `__BUILD__` when the worker is built. */
export interface Build {
  /** Differs whenever a file of the page does. */
  id: string
  /** The page's first script, which only this build's page names. */
  entry: string
  /** The paths of all that the page needs to open. */
  files: readonly string[]
}

declare const __BUILD__: Build

export const build = (): Build => __BUILD__
