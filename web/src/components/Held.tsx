import { Slot } from 'radix-ui'
import { useEffect, useState, type ComponentProps } from 'react'
import { Press, type Finger } from './finger'

interface Touched extends Finger {
  target: EventTarget
}

/**
 * What has a menu under a right click, and the same under a finger that rests
 * on it. Android sends `contextmenu` for that by itself; for iOS, which does
 * not, it is sent here. The pointer handlers that Radix gives to what it wraps
 * are left out: they take any trembling for a scroll, and two fingers for one.
 */
export function Held({ onContextMenu, onPointerDown: _down, onPointerMove: _move, onPointerUp: _up, onPointerCancel: _cancel, ...rest }: ComponentProps<typeof Slot.Root>) {
  const [press] = useState(() => new Press<Touched>(({ target, clientX, clientY }) => void target.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, clientX, clientY }))))
  useEffect(() => () => press.stop(), [press])
  return (
    <Slot.Root
      {...rest}
      className="data-[state=open]:bg-sunken pointer-coarse:select-none"
      onContextMenu={(e) => {
        if (press.touching) press.rest()
        onContextMenu?.(e)
      }}
      onPointerDown={(e) => press.down(e)}
      onPointerMove={(e) => press.move(e)}
      onPointerUp={() => press.stop()}
      onPointerCancel={() => press.stop()}
      // No click after it: that would follow the link, and take the focus from the menu.
      onTouchEnd={(e) => press.rested && e.preventDefault()}
      // A link that is held would be dragged.
      onDragStart={(e) => press.touching && e.preventDefault()}
    />
  )
}
