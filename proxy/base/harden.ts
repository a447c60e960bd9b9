// Takes away what untrusted keys could reach (threats.md S90): `__proto__` is an ordinary name in this process.

/**
 * Removes the accessor through which `object.__proto__ = …` changes a prototype. Object literals keep their own syntax.
 */
export function harden(): void {
  Reflect.deleteProperty(Object.prototype, '__proto__');
}
