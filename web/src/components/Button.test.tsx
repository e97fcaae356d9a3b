import { expect, it, vi } from 'vitest'
import { Button } from './Button'

it('does nothing while it is busy, also to its form, and stays where the focus is', () => {
  const act = vi.fn()
  const event = { preventDefault: vi.fn(), stopPropagation: vi.fn() }
  const busy = Button({ busy: true, type: 'submit', onClick: act }).props
  busy.onClick(event)
  expect(event.preventDefault).toHaveBeenCalled()
  expect(act).not.toHaveBeenCalled()
  expect([busy.disabled, busy['aria-disabled']]).toEqual([undefined, true])
  Button({ onClick: act }).props.onClick(event)
  expect(act).toHaveBeenCalled()
  expect(Button({ disabled: true, busy: true }).props.disabled).toBe(true)
})
