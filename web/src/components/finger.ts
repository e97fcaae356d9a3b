/** What of a pointer event the gestures look at. */
export interface Finger {
  pointerType: string
  isPrimary: boolean
  clientX: number
  clientY: number
}

/** So long a finger rests before it means more than a tap. A browser that tells of it itself, after some 500 ms, does so first. */
export const restMs = 600
/** A finger is never quite still. */
export const slackPx = 10

/** A mouse has buttons of its own, and two fingers mean the page. */
const alone = (f: Finger) => f.pointerType !== 'mouse' && f.isPrimary

/** Knows a finger that rests from one that taps or scrolls. */
export class Press<F extends Finger> {
  #from: F | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #onPress: (at: F) => void
  /** Whether the pointer that came last is a finger or a pen. */
  touching = false
  /** Whether it has rested: then its end is no tap. */
  rested = false

  constructor(onPress: (at: F) => void) {
    this.#onPress = onPress
  }

  down(f: F): void {
    this.stop()
    this.rested = false
    this.touching = f.pointerType !== 'mouse'
    if (!alone(f)) return
    this.#from = f
    this.#timer = setTimeout(() => {
      this.rest()
      this.#onPress(f)
    }, restMs)
  }

  move(f: Finger): void {
    if (this.#from && Math.hypot(f.clientX - this.#from.clientX, f.clientY - this.#from.clientY) > slackPx) this.stop()
  }

  /** It has rested; where the browser tells that itself, it is told from outside. */
  rest(): void {
    this.stop()
    this.rested = true
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#from = null
  }
}

/** So far a sheet is pulled by one who wants it away, or so fast, in px a ms. */
const farPx = 120
const fast = 0.5
/** A finger that has not moved for so long lets go at rest. */
const stillMs = 80

/** Knows a finger that pulls down from one that taps or goes sideways. */
export class Pull {
  #from: Finger | null = null
  #begun = false
  #last = { y: 0, at: 0, speed: 0 }

  get pulling(): boolean {
    return this.#from !== null && this.#begun
  }

  down(f: Finger, at: number): void {
    this.#begun = false
    this.#from = alone(f) ? f : null
    this.#last = { y: f.clientY, at, speed: 0 }
  }

  /** How far what is pulled follows; null while nothing is. */
  move(f: Finger, at: number): number | null {
    if (!this.#from) return null
    const [x, y] = [f.clientX - this.#from.clientX, f.clientY - this.#from.clientY]
    if (!this.#begun && Math.hypot(x, y) <= slackPx) return null
    // What begins sideways is a scroll of what lies there, or nothing.
    if (!this.#begun && y <= Math.abs(x)) {
      this.#from = null
      return null
    }
    this.#begun = true
    if (at > this.#last.at) this.#last = { y: f.clientY, at, speed: (f.clientY - this.#last.y) / (at - this.#last.at) }
    return Math.max(0, y)
  }

  /** Whether it lets go to have the sheet away or back; null when nothing was pulled. */
  up(f: Finger, at: number): 'away' | 'back' | null {
    if (!this.#from || !this.#begun) return null
    const far = f.clientY - this.#from.clientY > farPx
    const speed = at - this.#last.at > stillMs ? 0 : this.#last.speed
    this.#from = null
    // One who pushes it up again wants it back, however far it was.
    return speed > fast || (far && speed > -fast) ? 'away' : 'back'
  }

  /** Nothing is meant by it after all; whether something was pulled. */
  stop(): boolean {
    const { pulling } = this
    this.#from = null
    return pulling
  }
}
