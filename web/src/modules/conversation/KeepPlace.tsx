import { Component, type ReactNode, type RefObject } from 'react'

interface Props {
  scroller: RefObject<HTMLElement | null>
  /** What changes when something is put in or taken out above. */
  edge: string | undefined
  active: boolean
  children: ReactNode
}

interface Place {
  el: Element
  top: number
}

/**
 * Keeps what is being read where it is when rows are put in front of it. A
 * class, because only that is told just before the page changes.
 */
export class KeepPlace extends Component<Props> {
  override getSnapshotBeforeUpdate(before: Props): Place | null {
    const scroller = this.props.scroller.current
    if (!scroller || !this.props.active || before.edge === this.props.edge) return null
    const top = scroller.getBoundingClientRect().top
    for (const el of scroller.querySelectorAll('[data-row]')) {
      const box = el.getBoundingClientRect()
      if (box.bottom > top) return { el, top: box.top }
    }
    return null
  }

  override componentDidUpdate(_props: Props, _state: unknown, place: Place | null): void {
    const scroller = this.props.scroller.current
    if (!place || !scroller || !place.el.isConnected) return
    const moved = place.el.getBoundingClientRect().top - place.top
    if (Math.abs(moved) >= 1) scroller.scrollTop += moved
  }

  override render(): ReactNode {
    return this.props.children
  }
}
