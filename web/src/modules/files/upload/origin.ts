import type { KeptUpload } from '@/offline/kept'

export type Origin = NonNullable<KeptUpload['origin']>

// What Chromium has and the types of the language do not.
interface Asked extends FileSystemHandle {
  queryPermission?: (o: { mode: 'read' }) => Promise<PermissionState>
  requestPermission?: (o: { mode: 'read' }) => Promise<PermissionState>
}
declare global {
  interface Window {
    showOpenFilePicker?: (o: { multiple: boolean }) => Promise<FileSystemFileHandle[]>
  }
  interface DataTransferItem {
    getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>
  }
}

/** Whether the browser can be asked for files in a way that lets them be read again after a reload. On phones its own chooser has more: the camera. */
export const canPick = () => window.showOpenFilePicker !== undefined && matchMedia('(hover: hover)').matches

export async function pick(multiple: boolean): Promise<{ file: File; origin: Origin }[]> {
  const handles = (await window.showOpenFilePicker?.({ multiple }).catch(() => [])) ?? [] // nothing was chosen
  return Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), origin: { handle, within: '' } })))
}

/** The file again. `ask`: the person may be asked, as they just pressed a button. */
export async function open({ handle, within }: Origin, ask: boolean): Promise<File | 'refused' | 'gone'> {
  try {
    const asked = handle as Asked
    const may = (await asked.queryPermission?.({ mode: 'read' })) ?? 'denied'
    if (may !== 'granted' && !(ask && (await asked.requestPermission?.({ mode: 'read' })) === 'granted')) return 'refused'
    const names = within.split('/').filter(Boolean)
    let at: FileSystemHandle = handle
    for (const [i, name] of names.entries()) {
      const folder = at as FileSystemDirectoryHandle
      at = i === names.length - 1 ? await folder.getFileHandle(name) : await folder.getDirectoryHandle(name)
    }
    return await (at as FileSystemFileHandle).getFile()
  } catch (e) {
    return e instanceof DOMException && e.name === 'NotFoundError' ? 'gone' : 'refused'
  }
}
