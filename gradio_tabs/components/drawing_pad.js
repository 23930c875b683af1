const canvas = element.querySelector("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const side = canvas.width;
context.lineWidth = side / 11;
context.lineCap = context.lineJoin = "round";
context.strokeStyle = "#fff";

const send = () => {
  const data = context.getImageData(0, 0, side, side).data;
  let bytes = "";
  for (let i = 0; i < side * side; i++) bytes += String.fromCharCode(data[4 * i]);
  props.value = btoa(bytes);
};
const wipe = () => { context.fillStyle = "#000"; context.fillRect(0, 0, side, side); };

const seven = [[0.3, 0.25], [0.7, 0.25], [0.45, 0.8]];
wipe();
context.beginPath();
for (const [x, y] of seven) context.lineTo(x * side, y * side);
context.stroke();
send();
let example = true, last = null, timer = 0;
const at = event => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * side / box.width, (event.clientY - box.top) * side / box.height];
};
canvas.addEventListener("pointerdown", event => {
  if (example) { wipe(); example = false; }
  canvas.setPointerCapture(event.pointerId);
  last = at(event);
  context.beginPath(); context.moveTo(...last); context.lineTo(...last); context.stroke();
});
canvas.addEventListener("pointermove", event => {
  if (!last) return;
  const next = at(event);
  context.beginPath(); context.moveTo(...last); context.lineTo(...next); context.stroke();
  last = next;
  if (!timer) timer = setTimeout(() => { timer = 0; send(); }, 150);
});
const lift = () => { if (last) { last = null; send(); } };
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
element.querySelector("button").addEventListener("click", () => { wipe(); example = false; });
