// Slices in the patient: `o` is the upper left corner, `u` and `v` run along the width and the height, in mm.
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a, b) => a.map((value, k) => value - b[k]);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a) => a.map((value) => value / Math.hypot(...a));

// Where the slice `other` cuts the slice `seen`: two points as fractions of its width and height, or nothing.
function cutLine(seen, other) {
  const normal = unit(cross(other.u, other.v));
  if (Math.abs(dot(normal, unit(cross(seen.u, seen.v)))) > 0.97) return null;  // Nearly parallel: no line has a meaning.
  const [a, b, c] = [dot(normal, seen.u), dot(normal, seen.v), dot(normal, minus(other.o, seen.o))];
  const length = a * a + b * b;
  const [x, y, dx, dy] = [(a * c) / length, (b * c) / length, -b, a];  // All points with a x + b y = c.
  let [from, to] = [-Infinity, Infinity];
  const keep = (start, step) => {  // Only where 0 <= start + t step <= 1.
    if (Math.abs(step) < 1e-9) {
      if (start < 0 || start > 1) [from, to] = [1, 0];
      return;
    }
    const ends = [-start / step, (1 - start) / step].sort((one, two) => one - two);
    [from, to] = [Math.max(from, ends[0]), Math.min(to, ends[1])];
  };
  keep(x, dx);
  keep(y, dy);
  const start = minus(seen.o.map((value, k) => value + x * seen.u[k] + y * seen.v[k]), other.o);
  const step = seen.u.map((value, k) => dx * value + dy * seen.v[k]);
  for (const edge of [other.u, other.v]) keep(dot(start, edge) / dot(edge, edge), dot(step, edge) / dot(edge, edge));
  return from < to ? [[x + from * dx, y + from * dy], [x + to * dx, y + to * dy]] : null;
}

// Which of some slices lies nearest to the middle of another one.
function nearestSlice(seen, slices) {
  const middle = seen.o.map((value, k) => value + (seen.u[k] + seen.v[k]) / 2);
  const away = slices.map((slice) => Math.abs(dot(unit(cross(slice.u, slice.v)), minus(middle, slice.o))));
  return away.indexOf(Math.min(...away));
}
