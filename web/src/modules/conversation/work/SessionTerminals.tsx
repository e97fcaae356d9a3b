import { useState } from 'react'
import { TerminalPanel } from '@/modules/terminal/TerminalPanel'

/** The terminals of a session's project. */
export default function SessionTerminals({ project, focus }: { project: string; focus: boolean }) {
  const [open, setOpen] = useState<string>()
  return <TerminalPanel project={project} open={open} onOpen={setOpen} focus={focus} />
}
