// What becomes of the question for a virtual host that no request has asked for before.

/** `known`: it is in the table now. `absent`: there is none. `late`: nobody has answered in time. */
export type HostAnswer = 'known' | 'absent' | 'late';
