// The page: what MODEL (model.js) is, computed by ONNX Runtime (ort.js, wasm.js) in one thread, shown by its kind.
"use strict";

// ---- words and elements; texts of others only ever become text ----
let language = navigator.language.startsWith("zh") ? "zh" : "en";

/** An element. `properties`: set on it; `words`: [English, Chinese]; `label`: the same, as its name. */
function make(tag, { words, label, data, ...properties } = {}, ...inner) {
  const element = Object.assign(document.createElement(tag), properties);
  if (words) say(element, ...words);
  if (label) name(element, ...label);
  Object.assign(element.dataset, data);
  element.append(...inner);
  return element;
}
function say(element, en, zh) {
  Object.assign(element.dataset, { en, zh });
  element.textContent = element.dataset[language];
}
function name(element, en, zh) {
  Object.assign(element.dataset, { nameEn: en, nameZh: zh });
  element.setAttribute("aria-label", language === "zh" ? zh : en);
}
function speak(chosen) {
  language = chosen;
  document.documentElement.lang = chosen === "zh" ? "zh-Hans" : "en";
  document.getElementById("language").textContent = chosen === "zh" ? "English" : "中文";
  for (const element of document.querySelectorAll("[data-en]")) element.textContent = element.dataset[chosen];
  for (const element of document.querySelectorAll("[data-name-en]"))
    element.setAttribute("aria-label", element.dataset[chosen === "zh" ? "nameZh" : "nameEn"]);
  told();
}
const state = document.getElementById("state"), stage = document.getElementById("stage");
function tell(en, zh, fault = false) {
  say(state, en, zh);
  state.classList.toggle("fault", fault);
}
function failed(error) {
  const why = String(error && error.message ? error.message : error);
  tell(`It cannot be computed here: ${why}`, `无法在此计算：${why}`, true);
}
const soon = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
const ms = (from) => Math.max(1, Math.round(performance.now() - from)).toLocaleString();

// ---- the model ----
const sessions = {};
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}
async function load() {
  ort.env.wasm.numThreads = 1; // hosts of plain files allow no shared memory
  ort.env.wasm.wasmBinary = await unpacked(WASM);
  for (const [part, { onnx }] of Object.entries(MODEL.parts)) sessions[part] = await ort.InferenceSession.create(await unpacked(onnx));
}
let running = Promise.resolve();
/** What a part makes of { name: [data, shape] }: { name: tensor }. One at a time; int64 of a BigInt64Array. */
function compute(part, given) {
  const feeds = Object.entries(given).map(([key, [data, shape]]) =>
    [key, new ort.Tensor(data instanceof BigInt64Array ? "int64" : "float32", data, shape)]);
  return (running = running.catch(() => {}).then(() => sessions[part].run(Object.fromEntries(feeds))));
}
const PARTS = Object.keys(MODEL.parts);

// ---- pictures: { data: planes in [0, 1], w, h } ----
function draw(canvas, { data, dims }, number = 0) {
  const [, c, h, w] = dims, n = h * w, start = number * c * n;
  canvas.width = w; canvas.height = h;
  canvas.hidden = false;
  canvas.classList.toggle("pixels", Math.min(w, h) <= 64);
  const image = new ImageData(w, h);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < 4; k++) image.data[4 * i + k] = k === 3 ? 255 : 255 * data[start + (c === 1 ? 0 : k * n) + i] + 0.5;
  canvas.getContext("2d").putImageData(image, 0, 0);
}
/** The picture in `bitmap` at w × h, of `box` [left, top, width, height]; made smaller by halves. */
function scaled(bitmap, w, h, box = [0, 0, bitmap.width, bitmap.height]) {
  let from = bitmap, [left, top, width, height] = box;
  for (;;) {
    const nw = Math.max(w, Math.ceil(width / 2)), nh = Math.max(h, Math.ceil(height / 2)), canvas = make("canvas", { width: nw, height: nh });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, nw, nh);
    context.imageSmoothingQuality = "high";
    context.drawImage(from, left, top, width, height, 0, 0, nw, nh);
    if (nw === w && nh === h) return canvas;
    [from, left, top, width, height] = [canvas, 0, 0, nw, nh];
  }
}
function floats(canvas, channels = 3) {
  const { width: w, height: h } = canvas, n = w * h, data = new Float32Array(channels * n);
  const bytes = canvas.getContext("2d").getImageData(0, 0, w, h).data;
  for (let i = 0; i < n; i++) {
    const [r, g, b] = [bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2]];
    if (channels === 1) data[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b) / 255;
    else { data[i] = r / 255; data[n + i] = g / 255; data[2 * n + i] = b / 255; }
  }
  return { data, w, h };
}
const stepped = (value, step) => Math.max(step, Math.round(value / step) * step);
/** A picture as the network reads it: a canvas. */
function asRead(bitmap) {
  const { side, fit, step, channels } = MODEL.reads, { width, height } = bitmap, shorter = Math.min(width, height);
  if (step && fit === "short") {
    const scale = Math.min(side / shorter, 1024 / Math.max(width, height));
    return scaled(bitmap, stepped(width * scale, step), stepped(height * scale, step));
  }
  const box = fit === "squash" ? undefined : [(width - shorter) / 2, (height - shorter) / 2, shorter, shorter];
  return scaled(bitmap, step ? stepped(side, step) : side, step ? stepped(side, step) : side, box);
}
/** Where a picture is dropped or chosen; `use` is given its bitmap. `previewed`: whether it is shown there. */
function drop(en, zh, use, previewed = true) {
  const shown = make("canvas", { hidden: true }), input = make("input", { type: "file", accept: "image/*" });
  const box = make("label", { className: "drop" }, make("b", { words: [en, zh] }),
    make("span", { className: "quiet", words: ["Drop a picture here, or choose a file.", "将图片拖到此处，或选择文件。"] }), input, shown);
  const take = async (file) => {
    try {
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      const scale = Math.min(1, 480 / Math.max(bitmap.width, bitmap.height));
      const small = scaled(bitmap, Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
      shown.width = small.width; shown.height = small.height;
      shown.getContext("2d").drawImage(small, 0, 0);
      shown.hidden = !previewed;
      await use(bitmap);
    } catch (error) {
      error.name === "InvalidStateError" ? tell("That is no picture that this browser reads.", "浏览器无法读取该图片。", true) : failed(error);
    }
  };
  input.onchange = () => input.files[0] && take(input.files[0]);
  box.ondragover = (event) => { event.preventDefault(); box.classList.add("over"); };
  box.ondragleave = () => box.classList.remove("over");
  box.ondrop = (event) => {
    event.preventDefault();
    box.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  };
  return Object.assign(box, { take });
}
function saved(canvas, file) {
  canvas.toBlob((blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: file });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
function slider(en, zh, low, high, value, move, step = "any") {
  const input = make("input", { type: "range", min: low, max: high, step });
  input.value = value;
  input.oninput = () => move(Number(input.value));
  return Object.assign(make("label", {}, make("span", { words: [en, zh] }), input), { input });
}
const colour = (index) => {
  const count = MODEL.classes.length;
  return MODEL.palette[index] ?? (count <= 10 ? TEN[index] : `hsl(${(index * 137.5) % 360} 65% 50%)`);
};
const TEN = ["#4269d0", "#e0962b", "#e0503c", "#3fb5a8", "#3ca951", "#f08dad", "#8f5fd6", "#7ba6f0", "#9c6b4e", "#868a90"];
function legend(indices) {
  return make("ul", { className: "legend" }, ...indices.map((index) => {
    const dot = make("canvas", { width: 8, height: 8 }), context = dot.getContext("2d");
    context.fillStyle = colour(index);
    context.fillRect(0, 0, 8, 8);
    return make("li", {}, dot, MODEL.classes[index]);
  }));
}

// ---- numbers from a seed ----
function randoms(seed) {
  let at = seed >>> 0;
  return () => {
    at = (at + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
function normals(count, seed) {
  const next = randoms(seed);
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
}

// ---- the kinds ----
const KINDS = {
  /** A plane of codes: pointer or sliders say where, the decoder says what is there. */
  codes() {
    const { points, labels, mean, axes, low, high } = MODEL.plane, shape = MODEL.parts.decoder.shapes.codes;
    const plane = make("canvas", { className: "plane whole square", width: 560, height: 560 }), shown = make("canvas", { className: "whole square decoded" });
    const at = [0, 1].map((k) => (low[k] + high[k]) / 2), where = make("p", { className: "quiet" });
    const place = ([x, y]) => [((x - low[0]) / (high[0] - low[0])) * 560, (1 - (y - low[1]) / (high[1] - low[1])) * 560];
    const known = make("canvas", { width: 560, height: 560 });
    points.forEach((point, i) => {
      const context = known.getContext("2d"), [x, y] = place(point);
      context.fillStyle = labels.length ? colour(labels[i]) : "#8888";
      context.beginPath();
      context.arc(x, y, 3, 0, 7);
      context.fill();
    });
    let asked = 0;
    const look = async () => {
      const context = plane.getContext("2d"), [x, y] = place(at), mine = ++asked;
      context.clearRect(0, 0, 560, 560);
      context.drawImage(known, 0, 0);
      context.strokeStyle = getComputedStyle(plane).color;
      context.lineWidth = 2;
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.beginPath();
        context.moveTo(x + 6 * dx, y + 6 * dy);
        context.lineTo(x + 18 * dx, y + 18 * dy);
        context.stroke();
      }
      sliders.forEach((one, k) => (one.input.value = at[k]));
      where.textContent = `${at[0].toFixed(2)}, ${at[1].toFixed(2)}`;
      await running.catch(() => {});
      if (mine !== asked) return; // a newer place is asked for
      const code = Float32Array.from(mean, (value, i) => value + at[0] * axes[0][i] + at[1] * axes[1][i]);
      draw(shown, (await compute("decoder", { codes: [code, [1, ...shape]] })).images);
    };
    const go = (k) => (value) => { at[k] = value; look().catch(failed); };
    const sliders = [slider("Across", "横向", low[0], high[0], at[0], go(0)), slider("Up", "纵向", low[1], high[1], at[1], go(1))];
    plane.onpointermove = plane.onpointerdown = (event) => {
      if (event.pointerType !== "mouse" && !event.buttons) return;
      const box = plane.getBoundingClientRect();
      at[0] = low[0] + (event.clientX - box.left) / box.width * (high[0] - low[0]);
      at[1] = high[1] - (event.clientY - box.top) / box.height * (high[1] - low[1]);
      look().catch(failed);
    };
    const exact = mean.length === 2;
    stage.append(make("div", { className: "two" },
      make("div", { className: "stack" }, plane, labels.length ? legend([...new Set(labels)].sort((a, b) => a - b)) : ""),
      make("div", { className: "stack" }, shown, where, ...sliders,
        make("p", { className: "quiet", words: exact
          ? ["Each place is a code; the picture is what the decoder makes of it. Dots: codes of test images.", "每个位置是一个编码，图像由解码器生成。点：测试图像的编码。"]
          : [`A code has ${mean.length} numbers: the plane follows the two directions in which codes vary most, in standard deviations. Dots: codes of test images, seen from above.`,
             `编码有 ${mean.length} 个数：平面取其变化最大的两个方向，以标准差为单位。点：测试图像编码的投影。`] }))));
    return look();
  },

  /** Drawn pictures of a seed, by class; one of them changed by sliders. */
  draw() {
    const { latents: [latent], labels } = MODEL.parts[PARTS[0]].shapes, count = 24, shownNumbers = Math.min(latent, 8);
    let chosen = 0, label = -1, latents = new Float32Array(), classes = [];
    const sheet = make("div", { className: "sheet" }), large = make("canvas", { className: "whole square" });
    const cells = Array.from({ length: count }, (_, i) => {
      const canvas = make("canvas", { width: 1, height: 1 });
      const button = make("button", { type: "button", label: [`Picture ${i + 1}`, `图像 ${i + 1}`] }, canvas);
      button.onclick = () => choose(i).catch(failed);
      return Object.assign(button, { canvas });
    });
    sheet.append(...cells);
    const given = (rows, of) => ({ latents: [rows, [of.length, latent]], ...(labels && { labels: [BigInt64Array.from(of, BigInt), [of.length]] }) });
    const row = (i) => latents.slice(i * latent, (i + 1) * latent);
    let asked = 0;
    const one = async () => {
      const mine = ++asked;
      await running.catch(() => {});
      if (mine !== asked) return;
      const made = (await compute(PARTS[0], given(row(chosen), [classes[chosen]]))).images;
      draw(large, made);
      draw(cells[chosen].canvas, made);
    };
    const numbers = Array.from({ length: shownNumbers }, (_, k) =>
      slider(`Number ${k + 1}`, `第 ${k + 1} 个数`, -3, 3, 0, (value) => { latents[chosen * latent + k] = value; one().catch(failed); }));
    const choose = (i) => {
      chosen = i;
      cells.forEach((cell, k) => cell.setAttribute("aria-pressed", k === i));
      numbers.forEach((number, k) => (number.input.value = latents[i * latent + k]));
      return one();
    };
    const fresh = async () => {
      const begun = performance.now();
      latents = normals(count * latent, Number(seed.value));
      classes = cells.map((_, i) => (label < 0 ? i % Math.max(1, MODEL.labels) : label));
      for (let i = 0; i < count; i += 4) {
        const rows = latents.slice(i * latent, (i + 4) * latent);
        const { images } = await compute(PARTS[0], given(rows, classes.slice(i, i + 4)));
        for (let k = 0; k < 4; k++) draw(cells[i + k].canvas, images, k);
        await soon();
      }
      const took = ms(begun);
      tell(`${count} pictures in ${took} ms.`, `${count} 张图像用时 ${took} 毫秒。`);
      await choose(chosen);
    };
    const seed = make("input", { type: "number", min: 0, max: 2 ** 31, value: 1 });
    seed.onchange = () => fresh().catch(failed);
    const again = make("button", { type: "button", className: "primary", words: ["Other pictures", "换一批"] });
    again.onclick = () => { seed.value = Number(seed.value) + 1; fresh().catch(failed); };
    const buttons = [-1, ...Array.from({ length: labels ? MODEL.labels : 0 }, (_, i) => i)].map((i) => {
      const button = i < 0 ? make("button", { type: "button", words: ["each", "各类"] }) : make("button", { type: "button", textContent: MODEL.classes[i] ?? i });
      button.setAttribute("aria-pressed", i === label);
      button.onclick = () => {
        label = i;
        buttons.forEach((other) => other.setAttribute("aria-pressed", other === button));
        fresh().catch(failed);
      };
      return button;
    });
    stage.append(make("div", { className: "two" },
      make("div", { className: "stack" },
        make("div", { className: "row" }, make("label", {}, make("span", { words: ["Seed", "种子"] }), seed), again),
        labels ? make("fieldset", {}, make("legend", { words: ["Class", "类别"] }), make("div", { className: "row" }, ...buttons)) : "", sheet),
      make("div", { className: "stack" }, large, make("p", { className: "quiet", words: [
        `Drawn from ${latent} normal numbers; choose a picture and change the first ${shownNumbers}.`,
        `由 ${latent} 个正态随机数生成；选一张图像，改变其前 ${shownNumbers} 个数。`] }),
        make("div", { className: "sliders" }, ...numbers))));
    return fresh();
  },

  /** A photograph in the style of a painting. */
  style() {
    const shown = make("canvas", { className: "whole" }), step = MODEL.reads.step || 16, pictures = [null, null];
    let plain = null, painted = null;
    const mix = () => {
      if (!painted) return;
      const share = Number(strength.input.value);
      draw(shown, { data: painted.data.map((value, i) => plain.data[i] + share * (value - plain.data[i])), dims: [1, 3, plain.h, plain.w] });
      shown.classList.remove("pixels");
    };
    const read = (bitmap, longest) => {
      const scale = longest / Math.max(bitmap.width, bitmap.height);
      return floats(scaled(bitmap, stepped(bitmap.width * scale, step), stepped(bitmap.height * scale, step)));
    };
    let asked = 0;
    const paint = async () => {
      if (!pictures[0] || !pictures[1]) return;
      const mine = ++asked;
      await running.catch(() => {});
      if (mine !== asked) return;
      tell("Painting …", "正在绘制……");
      await soon();
      const begun = performance.now(), content = read(pictures[0], Number(size.value)), style = read(pictures[1], Math.min(384, Number(size.value)));
      const made = await restyled(content, style, normals(4 * cellsOf(content.w, content.h).reduce((a, b) => a * b), 1));
      plain = content; painted = made;
      mix();
      keep.disabled = false;
      const took = ms(begun);
      tell(`${content.w} × ${content.h} pixels in ${took} ms.`, `${content.w} × ${content.h} 像素，用时 ${took} 毫秒。`);
    };
    const take = (k) => (bitmap) => { pictures[k] = bitmap; return paint(); };
    const places = [drop("Photograph", "照片", take(0)), drop("Painting", "画作", take(1))];
    const size = make("select", {}, ...[128, 256, 384, 512, 768, 1024].map((side) => make("option", { value: side, textContent: `${side} px`, selected: side === 256 })));
    size.onchange = () => paint().catch(failed);
    const strength = slider("Strength", "强度", 0, 1, 1, mix), keep = make("button", { type: "button", disabled: true, words: ["Download", "下载"] });
    keep.onclick = () => saved(shown, "restyled.png");
    stage.append(make("div", { className: "two" }, make("div", { className: "stack" }, shown),
      make("div", { className: "stack" }, ...places, strength,
        make("div", { className: "row" }, make("label", {}, make("span", { words: ["Longer side", "长边"] }), size), keep))));
    return MODEL.examples.reduce((before, url, k) => before.then(async () => places[k].take(await fetched(url))), Promise.resolve());
  },

  /** A picture of one side as one of the other. */
  translate() {
    const shown = make("canvas", { className: "whole", hidden: true }), keep = make("button", { type: "button", disabled: true, words: ["Download", "下载"] });
    let bitmap = null;
    const ways = make("select", {}, ...PARTS.map((part) => make("option", { value: part, textContent: MODEL.ways[part] })));
    const go = async () => {
      if (!bitmap) return;
      tell("Translating …", "正在转换……");
      await soon();
      const begun = performance.now(), canvas = asRead(bitmap), picture = floats(canvas, MODEL.reads.channels);
      const { inputs: [from], outputs: [to] } = MODEL.parts[ways.value];
      draw(shown, (await compute(ways.value, { [from]: [picture.data, [1, MODEL.reads.channels, picture.h, picture.w]] }))[to]);
      keep.disabled = false;
      const took = ms(begun);
      tell(`${picture.w} × ${picture.h} pixels in ${took} ms.`, `${picture.w} × ${picture.h} 像素，用时 ${took} 毫秒。`);
    };
    ways.onchange = () => go().catch(failed);
    keep.onclick = () => saved(shown, "translated.png");
    stage.append(make("div", { className: "two" }, make("div", { className: "stack" }, shown),
      make("div", { className: "stack" }, drop("Picture", "图片", (given) => { bitmap = given; return go(); }),
        make("div", { className: "row" }, make("label", {}, make("span", { words: ["Direction", "方向"] }), ways), keep))));
  },

  /** Names of a picture, with bars. */
  names() {
    const bars = make("div", { className: "bars" });
    return recognised(bars, ({ probabilities }) => {
      const order = [...probabilities.data.keys()].sort((a, b) => probabilities.data[b] - probabilities.data[a]).slice(0, 8);
      bars.replaceChildren(...order.map((index) => {
        const share = probabilities.data[index], meter = make("meter", { min: 0, max: 1, value: share });
        meter.setAttribute("aria-label", MODEL.classes[index]);
        return make("div", {}, make("span", { textContent: MODEL.classes[index] }), make("span", { textContent: `${(100 * share).toFixed(1)} %` }), meter);
      }));
    });
  },

  /** Objects of a picture, in boxes. */
  boxes() {
    const said = make("div", { className: "bars" });
    let last = null;
    const show = () => {
      if (!last) return;
      const found = detected(last.answer, Number(sure.input.value)), { canvas, bitmap } = last, context = canvas.getContext("2d");
      const scale = Math.min(1, 800 / Math.max(bitmap.width, bitmap.height));
      canvas.width = bitmap.width * scale; canvas.height = bitmap.height * scale;
      context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      for (const { box: [left, top, right, bottom], index } of found) {
        context.strokeStyle = colour(index);
        context.lineWidth = 3;
        context.strokeRect(left * canvas.width, top * canvas.height, (right - left) * canvas.width, (bottom - top) * canvas.height);
      }
      said.replaceChildren(...found.map(({ index, chance }) => make("div", {}, make("span", { textContent: MODEL.classes[index] }),
        make("span", { textContent: `${(100 * chance).toFixed(1)} %` }))), legend([...new Set(found.map(({ index }) => index))]));
    };
    const sure = slider("As sure as", "置信度不低于", 0.05, 0.95, 0.5, show);
    return recognised(make("div", { className: "stack" }, sure, said), (answer, canvas, bitmap) => { last = { answer, canvas, bitmap }; show(); });
  },

  /** A class for each pixel. */
  pixels() {
    const said = make("div", {});
    return recognised(said, ({ logits: { data, dims: [, k, h, w] } }, canvas) => {
      const context = canvas.getContext("2d"), layer = make("canvas", { width: w, height: h }), paint = layer.getContext("2d"), there = new Set();
      for (let i = 0; i < h * w; i++) {
        let best = 0;
        for (let c = 1; c < k; c++) if (data[c * h * w + i] > data[best * h * w + i]) best = c;
        there.add(best);
        if (MODEL.grounds.includes(best)) continue;
        paint.fillStyle = colour(best);
        paint.fillRect(i % w, (i / w) | 0, 1, 1);
      }
      context.globalAlpha = 0.6;
      context.imageSmoothingEnabled = false;
      context.drawImage(layer, 0, 0, canvas.width, canvas.height);
      said.replaceChildren(legend([...there].sort((a, b) => a - b)));
    });
  },
};

/** `content` restyled; `cells`: the noise of a brush, which makes no difference to other networks. */
async function restyled(content, style, cells) {
  const brush = MODEL.parts[PARTS[0]].settings, given = brush.noise ? prepared(content, style, cells, brush) : content;
  const { image } = await compute(PARTS[0], { content: [given.data, [1, 3, given.h, given.w]], style: [style.data, [1, 3, style.h, style.w]] });
  const made = { ...content, data: image.data };
  return cut(brush.noise ? transported(made, style, brush.floor) : made);
}

/** Boxes as sure as `least`, of each class those that overlap no surer one by 0.5 or more. */
function detected({ chances, boxes }, least) {
  const [, n, k] = chances.dims, found = [], kept = [];
  for (let i = 0; i < n; i++)
    for (let c = 1; c < k; c++)
      if (chances.data[i * k + c] >= least) found.push({ index: c - 1, chance: chances.data[i * k + c], box: [...boxes.data.slice(4 * i, 4 * i + 4)] });
  const area = ([l, t, r, b]) => Math.max(0, r - l) * Math.max(0, b - t);
  for (const one of found.sort((a, b) => b.chance - a.chance)) {
    const apart = kept.every(({ index, box }) => {
      const both = area([Math.max(box[0], one.box[0]), Math.max(box[1], one.box[1]), Math.min(box[2], one.box[2]), Math.min(box[3], one.box[3])]);
      return index !== one.index || both / (area(box) + area(one.box) - both || 1) < 0.5;
    });
    if (apart) kept.push(one);
  }
  return kept.slice(0, 50);
}

/** A place for a picture, and what was read in it: `show(answer, canvas, bitmap)`, beside `answers`. */
function recognised(answers, show) {
  const canvas = make("canvas", { className: "whole" });
  const use = async (bitmap) => {
    const begun = performance.now(), read = asRead(bitmap), { data, w, h } = floats(read);
    const answer = await compute(PARTS[0], { images: [data, [1, 3, h, w]] });
    canvas.width = read.width; canvas.height = read.height;
    canvas.getContext("2d").drawImage(read, 0, 0);
    canvas.hidden = MODEL.kind === "names";
    show(answer, canvas, bitmap);
    const took = ms(begun);
    tell(`Read in ${took} ms; the picture stays on this device.`, `识别用时 ${took} 毫秒；图片不会离开本设备。`);
  };
  canvas.hidden = true;
  stage.append(make("div", { className: "two" }, make("div", { className: "stack" }, drop("Picture", "图片", use, MODEL.kind === "names"), canvas), answers));
}

/** A picture that stands in the page itself. */
async function fetched(url) {
  const image = make("img", { src: url });
  await image.decode();
  return image;
}

// ---- what it is ----
function told() {
  const about = document.getElementById("about"), { title, idea, paper, trained, measured, version } = MODEL;
  const table = ({ head, rows }) => make("div", { className: "scroll", tabIndex: 0, role: "region", label: ["Measured", "评测"] }, make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col", textContent: text })))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text) => make("td", { textContent: text })))))));
  about.replaceChildren(
    make("h2", { words: ["About this model", "关于此模型"] }),
    make("p", {}, idea, " ", ...(paper ? [make("a", { href: paper, rel: "noreferrer", words: ["Paper", "论文"] })] : [])),
    make("p", { className: "quiet", textContent: trained[language] }),
    ...(measured ? measured[language].flatMap((each) => [table(each), make("p", { className: "quiet", textContent: each.caption })]) : []),
    ...(measured === null ? [make("p", { className: "quiet", words: ["It was not measured.", "尚未评测。"] })] : []),
    make("p", { className: "quiet", words: [
      `Computed in this browser by ONNX Runtime Web (MIT licence), in one thread: nothing is sent anywhere. Made by Sfumato ${version}.`,
      `由 ONNX Runtime Web（MIT 许可证）在本浏览器中单线程计算，不会发送任何数据。由 Sfumato ${version} 生成。`] }));
  document.title = title;
  document.querySelector("h1").textContent = title;
}

document.getElementById("language").onclick = () => speak(language === "zh" ? "en" : "zh");
speak(language);
tell("Loading the model …", "正在载入模型……");
const ready = load()
  .then(() => { tell("Ready.", "就绪。"); return KINDS[MODEL.kind](); })
  .catch((error) => failed(error));
