// Fingers on the glass, as the browser gets them: it makes of them what it would on a phone, taps and scrolls too.

/** Fingers of a page on a phone; each is at [x, y]. */
export async function fingers(page) {
  const cdp = await page.context().newCDPSession(page)
  const send = (type, points) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) })
  return {
    down: (...points) => send('touchStart', points),
    /** One finger goes through these. */
    through: async (...points) => {
      for (const point of points) await send('touchMove', [point])
    },
    up: () => send('touchEnd', []),
  }
}

/** The middle of something, in the window. */
export async function middle(locator) {
  const box = await locator.boundingBox()
  return [box.x + box.width / 2, box.y + box.height / 2]
}
