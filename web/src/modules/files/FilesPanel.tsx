import { useNavigate } from '@tanstack/react-router'
import { join } from './paths'
import { FileActions } from './FileActions'
import { useAfterTurns } from './fresh'
import { Tree } from './Tree'

/** The files of a project beside something else; one that is opened is shown in its own place. */
export function FilesPanel({ project }: { project: string }) {
  const navigate = useNavigate()
  useAfterTurns()
  const root = join('projects', project)
  return (
    <FileActions onMade={(path) => void navigate({ to: '/files/$', params: { _splat: path } })}>
      <div className="scroller min-h-0 flex-1">
        <Tree root={root} selected={root} onOpen={(e) => void navigate({ to: '/files/$', params: { _splat: e.path } })} />
      </div>
    </FileActions>
  )
}
