import { Diff } from '@/components/code/Diff'
import { patchOf } from '@/components/code/diff'

/** What changed from one text to another. */
export default function Compared({ was, is }: { was: string; is: string }) {
  return <Diff patch={patchOf(was, is)} />
}
