// JSON merge patches (RFC 7396). Objects are copied without a prototype, so that a key such as
// __proto__, which comes from a management cluster, is a key like any other.

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// A deep copy of a JSON value.
export function copy(value) {
  if (Array.isArray(value)) return value.map(copy);
  if (!isObject(value)) return value;
  const found = Object.create(null);
  for (const [name, inner] of Object.entries(value)) found[name] = copy(inner);
  return found;
}

// The patch that turns one object into another; empty: they are equal.
export function mergePatch(before, after) {
  const patch = Object.create(null);
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    if (isObject(value) && isObject(old)) {
      const inner = mergePatch(old, value);
      if (Object.keys(inner).length) patch[name] = inner;
    } else if (JSON.stringify(value) !== JSON.stringify(old)) {
      patch[name] = value;
    }
  }
  return patch;
}

// Set the value at a path of names.
export function put(target, path, value) {
  for (const name of path.slice(0, -1)) target = target[name] ??= Object.create(null);
  target[path.at(-1)] = value;
}

// Remove the value at a path, if there is one.
export function drop(target, path) {
  for (const name of path.slice(0, -1)) target = target?.[name];
  if (isObject(target)) delete target[path.at(-1)];
}
