/** What the page asks of the server. Whatever is refused is an Error whose message is one line. */

export interface Given {
  id: string
  width: number
  height: number
}

export const address = (id: string, save = false): string => `/api/pictures/${id}${save ? '?save' : ''}`

/** Trades the token in the address, if there is one, for a cookie, and takes it out of the address. */
export async function login(): Promise<void> {
  const token = /^#token=([\w-]+)$/.exec(location.hash)?.[1]
  if (!token) return
  history.replaceState(null, '', location.pathname)
  await ask('POST', '/api/login', undefined, { 'X-Sfumato-Token': token })
}

async function ask(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, { method, body, headers: { 'X-Sfumato': '1', ...headers } })
  } catch {
    throw new Error('the studio does not answer: is it still running?')
  }
  if (!response.ok) {
    const text = await response.text()
    let line = text
    try {
      line = JSON.parse(text).line ?? text
    } catch {
      // plain text
    }
    throw new Error(line || `${response.status}`)
  }
  return response
}

export const get = async <T>(path: string): Promise<T> => (await ask('GET', path)).json()
export const getBytes = async (path: string): Promise<ArrayBuffer> => (await ask('GET', path)).arrayBuffer()
export const post = async <T>(path: string, body: unknown = {}): Promise<T> =>
  (await ask('POST', path, JSON.stringify(body), { 'Content-Type': 'application/json' })).json()
export const remove = async (path: string): Promise<void> => void (await ask('DELETE', path))
export const upload = async (content: Blob, clip = false): Promise<Given> =>
  (await ask('POST', `/api/pictures${clip ? '?clip' : ''}`, content)).json()
