/** The fields' help texts in Chinese, by what they are in English. A test of the server's holds that none is missing. */
export const help: Record<string, string> = {}
