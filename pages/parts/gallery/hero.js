// A map of decoded codes, a ring that moves over it, and the code under the ring, enlarged.
const SPEED = 1.5;                 // tiles per second along the path
const ENLARGED = 10;               // the digit is interpolated to this many pixels per pixel of a tile
const SOFT = [0.2, 0.58];          // levels between which the edge of the enlarged digit rises
const NEAR = 5.5, FAR = 0.5;       // radius in tiles within which they are clearer; the opacity of the others
const TRAIL = 90;                  // positions of the ring's trail
const instances = new WeakMap();
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// Points at equal distances on a smooth closed curve through the given points (a Catmull-Rom spline).
function closedPath(points) {
  const fine = [], count = points.length;
  for (let i = 0; i < count; i++) {
    const [a, b, c, d] = [-1, 0, 1, 2].map(k => points[(i + k + count) % count]);
    for (let s = 0; s < 40; s++) {
      const t = s / 40;
      fine.push([0, 1].map(k => 0.5 * (2 * b[k] + (c[k] - a[k]) * t + (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k]) * t * t +
        (3 * b[k] - a[k] - 3 * c[k] + d[k]) * t * t * t)));
    }
  }
  const lengths = [0];
  for (let i = 1; i <= fine.length; i++) {
    const [p, q] = [fine[i - 1], fine[i % fine.length]];
    lengths.push(lengths[i - 1] + Math.hypot(q[0] - p[0], q[1] - p[1]));
  }
  const total = lengths[fine.length];
  let i = 0;
  return Object.assign(distance => {
    const at = ((distance % total) + total) % total;
    if (at < lengths[i]) i = 0;
    while (lengths[i + 1] < at) i++;
    const t = (at - lengths[i]) / (lengths[i + 1] - lengths[i] || 1), p = fine[i], q = fine[(i + 1) % fine.length];
    return [p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])];
  }, { total });
}

// Weights of cubic interpolation (Catmull-Rom) from `from` pixels to `to`: four source pixels per target pixel.
function cubicWeights(from, to) {
  const index = new Int16Array(4 * to), weight = new Float32Array(4 * to);
  for (let i = 0; i < to; i++) {
    const x = (i + 0.5) * from / to - 0.5, base = Math.floor(x), t = x - base;
    const w = [-t * (1 - t) ** 2 / 2, (2 - 5 * t * t + 3 * t ** 3) / 2, (t + 4 * t * t - 3 * t ** 3) / 2,
               -t * t * (1 - t) / 2];
    for (let k = 0; k < 4; k++) { index[4 * i + k] = clamp(base + k - 1, 0, from - 1); weight[4 * i + k] = w[k]; }
  }
  return { index, weight };
}

function create(root) {
  const find = name => root.querySelector(name);
  const pad = find(".pad"), map = find(".map"), digit = find(".digit"), play = find(".play"), open = find(".open");
  const mapContext = map.getContext("2d"), digitContext = digit.getContext("2d");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const self = { data: null, send: null, x: 0, y: 0, distance: 0, playing: !still.matches, visible: true, levels: null };
  const trail = [];
  let frame = 0, last = 0, dragging = false, source = "", path = null, tinted = null, tint = "", weights = null;
  let code = null, rows = null, image = null, small = null;

  function load(data) {
    if (source === data.sprite) return;
    source = data.sprite;
    const { side, pixels } = data, size = side * pixels, sprite = new Image();
    path = closedPath(data.path);
    [self.x, self.y] = path(0);
    sprite.onload = () => {
      const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
      canvas.width = canvas.height = size;
      context.drawImage(sprite, 0, 0);
      const rgba = context.getImageData(0, 0, size, size).data;
      self.levels = new Uint8Array(size * size);
      for (let i = 0; i < self.levels.length; i++) self.levels[i] = rgba[4 * i];
      const large = pixels * ENLARGED;
      weights = cubicWeights(pixels, large);
      code = new Float32Array(pixels * pixels); rows = new Float32Array(pixels * large);
      image = new ImageData(large, large);
      small = document.createElement("canvas"); small.width = small.height = large;
      tint = "";
      draw(); run();
    };
    sprite.src = source;
  }

  // The map in the theme's colour: its levels are the opacity.
  function colour() {
    const style = getComputedStyle(pad), text = style.getPropertyValue("--st-text-color").trim();
    const accent = style.getPropertyValue("--st-primary-color").trim();
    if (tint === text + accent) return;
    tint = text + accent;
    const { side, pixels } = self.data, size = side * pixels;
    tinted = document.createElement("canvas"); tinted.width = tinted.height = size;
    const context = tinted.getContext("2d"), painted = context.createImageData(size, size);
    for (let i = 0; i < self.levels.length; i++) painted.data[4 * i + 3] = self.levels[i];
    context.putImageData(painted, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = text; context.fillRect(0, 0, size, size);
    self.accent = accent; self.text = text; self.paper = style.getPropertyValue("--st-background-color").trim();
  }

  // The four codes around the ring, blended, then enlarged to `image`.
  function blend() {
    const { side, pixels } = self.data, size = side * pixels, large = pixels * ENLARGED;
    const c = Math.min(side - 2, Math.floor(self.x)), r = Math.min(side - 2, Math.floor(self.y));
    const tx = self.x - c, ty = self.y - r, levels = self.levels;
    for (let i = 0; i < pixels; i++) for (let j = 0; j < pixels; j++) {
      const at = (r * pixels + i) * size + c * pixels + j, below = at + pixels * size;
      code[i * pixels + j] = (1 - ty) * ((1 - tx) * levels[at] + tx * levels[at + pixels]) +
        ty * ((1 - tx) * levels[below] + tx * levels[below + pixels]);
    }
    const { index, weight } = weights;
    for (let i = 0; i < pixels; i++) for (let j = 0; j < large; j++) {
      let sum = 0;
      for (let k = 4 * j; k < 4 * j + 4; k++) sum += weight[k] * code[i * pixels + index[k]];
      rows[i * large + j] = sum;
    }
    const [low, high] = SOFT, out = image.data;
    for (let i = 0; i < large; i++) {
      const [a, b, d, e] = [0, 1, 2, 3].map(k => index[4 * i + k] * large);
      const [wa, wb, wd, we] = [0, 1, 2, 3].map(k => weight[4 * i + k]);
      for (let j = 0; j < large; j++) {
        const level = (wa * rows[a + j] + wb * rows[b + j] + wd * rows[d + j] + we * rows[e + j]) / 255;
        const t = clamp((level - low) / (high - low), 0, 1);
        out[4 * (i * large + j) + 3] = 255 * t * t * (3 - 2 * t);
      }
    }
    const context = small.getContext("2d");
    context.globalCompositeOperation = "source-over";
    context.putImageData(image, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = self.accent; context.fillRect(0, 0, large, large);
  }

  function fit(canvas, context) {
    const ratio = Math.min(2, window.devicePixelRatio || 1), size = canvas.clientWidth;
    if (canvas.width !== Math.round(size * ratio)) canvas.width = canvas.height = Math.round(size * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size, size);
    return size;
  }

  const edge = size => 0.035 * size;
  const tileSize = size => (size - 2 * edge(size)) / self.data.side;

  function drawMap() {
    const size = fit(map, mapContext), { side, pixels } = self.data, tile = tileSize(size), border = edge(size);
    if (!size) return;
    const centre = value => border + (value + 0.5) * tile, start = value => border + value * tile;
    mapContext.globalAlpha = FAR;
    mapContext.drawImage(tinted, border, border, side * tile, side * tile);
    // Around the ring the tiles are drawn again, clearer and larger.
    const [left, top] = [self.x, self.y].map(value => Math.max(0, Math.ceil(value - NEAR)));
    const [right, bottom] = [self.x, self.y].map(value => Math.min(side - 1, Math.floor(value + NEAR)));
    mapContext.clearRect(start(left), start(top), (right - left + 1) * tile, (bottom - top + 1) * tile);
    for (let r = top; r <= bottom; r++) for (let c = left; c <= right; c++) {
      const near = Math.exp(-((c - self.x) ** 2 + (r - self.y) ** 2) / 7), drawn = tile * (1 + 0.25 * near);
      mapContext.globalAlpha = FAR + (1 - FAR) * near;
      mapContext.drawImage(tinted, c * pixels, r * pixels, pixels, pixels,
                           centre(c) - drawn / 2, centre(r) - drawn / 2, drawn, drawn);
    }
    mapContext.strokeStyle = self.accent; mapContext.lineCap = "round"; mapContext.lineWidth = 2.5;
    for (let i = 1; i < trail.length; i++) {
      mapContext.globalAlpha = 0.55 * (i / trail.length) ** 2;
      mapContext.beginPath();
      mapContext.moveTo(centre(trail[i - 1][0]), centre(trail[i - 1][1]));
      mapContext.lineTo(centre(trail[i][0]), centre(trail[i][1]));
      mapContext.stroke();
    }
    mapContext.globalAlpha = 1;
    const x = centre(self.x), y = centre(self.y), radius = clamp(size * 0.062, 13, 24);
    mapContext.beginPath(); mapContext.arc(x, y, radius, 0, 2 * Math.PI);
    mapContext.fillStyle = self.paper; mapContext.fill();
    mapContext.lineWidth = 3; mapContext.strokeStyle = self.accent; mapContext.stroke();
    mapContext.drawImage(small, x - 0.85 * radius, y - 0.85 * radius, 1.7 * radius, 1.7 * radius);
  }

  function drawDigit() {
    const size = fit(digit, digitContext);
    digitContext.imageSmoothingQuality = "high";
    digitContext.drawImage(small, 0.02 * size, 0.02 * size, 0.96 * size, 0.96 * size);
  }

  function draw() {
    if (!self.levels || !map.clientWidth) return;
    colour(); blend(); drawMap(); drawDigit();
  }

  function tick(now) {
    frame = 0;
    const seconds = Math.min(0.05, (now - last) / 1000);
    last = now;
    self.distance += SPEED * seconds;
    moveTo(...path(self.distance));
    run();
  }

  function run() {
    if (!frame && self.playing && self.visible && self.levels) frame = requestAnimationFrame(tick);
  }

  function moveTo(x, y) {
    const { side } = self.data;
    self.x = clamp(x, 0, side - 1); self.y = clamp(y, 0, side - 1);
    trail.push([self.x, self.y]);
    if (trail.length > TRAIL) trail.shift();
    draw();
  }

  // z at a position of the map: linear between the coordinates of the tiles.
  function coordinate(at) {
    const i = Math.min(self.data.side - 2, Math.floor(at));
    return self.data.axis[i] + (at - i) * (self.data.axis[i + 1] - self.data.axis[i]);
  }
  const z = () => ({ x: coordinate(self.x), y: coordinate(self.data.side - 1 - self.y) });

  function describe() {
    const at = z(), { texts, side } = self.data;
    pad.setAttribute("aria-valuenow", Math.round(100 * self.x / (side - 1)));
    pad.setAttribute("aria-valuetext", texts.value.replace("{x}", at.x.toFixed(2)).replace("{y}", at.y.toFixed(2)));
    play.textContent = self.playing ? texts.pause : texts.play; play.title = texts.play_help;
  }

  function setPlaying(playing) {
    self.playing = playing;
    cancelAnimationFrame(frame); frame = 0;
    last = performance.now();
    if (playing) { self.distance = nearest(); trail.length = 0; }
    describe(); run();
  }

  // The place of the path that is nearest to the ring, from which the motion goes on.
  function nearest() {
    let best = 0, least = Infinity;
    for (let at = 0; at < path.total; at += 0.25) {
      const [x, y] = path(at), far = (x - self.x) ** 2 + (y - self.y) ** 2;
      if (far < least) { least = far; best = at; }
    }
    return best;
  }

  function follow(event) {
    const box = map.getBoundingClientRect(), tile = tileSize(box.width), border = edge(box.width);
    moveTo((event.clientX - box.left - border) / tile - 0.5, (event.clientY - box.top - border) / tile - 0.5);
    describe();
  }

  function release() {
    if (!dragging) return;
    dragging = false; pad.classList.remove("dragging");
    trail.length = 0; draw();
  }

  pad.addEventListener("pointerdown", event => {
    pad.setPointerCapture(event.pointerId);
    dragging = true; pad.classList.add("dragging");
    setPlaying(false); trail.length = 0; follow(event);
  });
  pad.addEventListener("pointermove", event => { if (dragging) follow(event); });
  pad.addEventListener("pointerup", release);
  pad.addEventListener("pointercancel", release);
  pad.addEventListener("keydown", event => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const stride = event.shiftKey ? 2 : 0.25;
    setPlaying(false); trail.length = 0;
    moveTo(self.x + step[0] * stride, self.y + step[1] * stride); describe();
  });
  play.addEventListener("click", () => setPlaying(!self.playing));
  open.addEventListener("click", () => { setPlaying(false); self.send("open", z()); });

  find("details").open = window.matchMedia("(min-width: 701px)").matches;  // on a phone it would hide the rest

  self.update = data => {
    self.data = data;
    const { texts } = data;
    find(".lead").textContent = texts.lead;
    find("summary").textContent = texts.how;
    find(".note").textContent = texts.note;
    pad.setAttribute("aria-label", texts.pad);
    digit.setAttribute("aria-label", texts.digit);
    open.textContent = texts.open; open.title = texts.open_help; open.hidden = !texts.open;
    load(data); describe(); draw();
  };

  self.start = () => {
    const sizes = new ResizeObserver(() => draw());
    sizes.observe(map);
    const views = new IntersectionObserver(entries => {
      self.visible = entries[entries.length - 1].isIntersecting;
      if (self.visible) { last = performance.now(); run(); } else { cancelAnimationFrame(frame); frame = 0; }
    });
    views.observe(pad);
    return () => { sizes.disconnect(); views.disconnect(); cancelAnimationFrame(frame); frame = 0; };
  };
  return self;
}

export default function ({ parentElement, data, setTriggerValue }) {
  let self = instances.get(parentElement);
  if (!self) { self = create(parentElement); instances.set(parentElement, self); }
  self.send = setTriggerValue;
  self.update(data);
  return self.start();
}
