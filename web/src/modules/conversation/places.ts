import { TabMap, tabStore } from './tabMap'

/** Where somebody was in a conversation: the first row that they saw, its event, how far below the upper edge it began, and from which row on all was drawn. */
export interface Place {
  row: string
  seq: number
  top: number
  from: string
}

/** Where a reader was in each conversation, by session. Who was at the end is at the end again: that is no place. */
export const places = new TabMap<Place>(tabStore(), 'carrel.places')
