'use strict';
// Everything works from the disk: the page fetches nothing.
(() => {
  const byId = (id) => document.getElementById(id);

  for (const button of document.querySelectorAll('.more')) {
    button.addEventListener('click', () => {
      button.closest('.table').querySelector('.rest').hidden = false;
      button.remove();
    });
  }
  addEventListener('beforeprint', () => document.querySelectorAll('details').forEach((one) => { one.open = true; }));

  const stage = byId('v-stage');
  if (!stage) return;
  const message = (text) => { byId('v-message').textContent = text; };
  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const slider = byId('v-slice');

  // Pictures and a slider.
  class Slices {
    async start() {}
    async open(data) {
      this.pictures = data.slices;
      this.layer = '';
      this.range = [this.pictures[''].length];
      return Math.floor(this.range[0] / 2);
    }
    draw() {
      byId('v-scan').src = this.pictures[''][this.at];
      const over = byId('v-over');
      if (this.layer) over.src = this.pictures[this.layer][this.at];
      else over.removeAttribute('src');
    }
    show(layer, opacity) {
      this.layer = layer;
      byId('v-over').style.opacity = opacity;
      this.draw();
    }
    slice(at) {
      this.at = at;
      this.draw();
    }
    view() {}
  }

  // Volumes in WebGL, by NiiVue, whose module is unpacked when it is first wanted.
  class Volumes {
    async start() {
      if (!document.createElement('canvas').getContext('webgl2')) throw new Error('this browser has no WebGL2; the pictures below show the cases');
      const packed = new Blob([bytes(byId('niivue').textContent)]).stream();
      const text = await new Response(packed.pipeThrough(new DecompressionStream('gzip'))).text();
      const ready = new Promise((done, failed) => {
        addEventListener('niivue', done, { once: true });
        setTimeout(() => failed(new Error('the viewer does not start in this browser')), 30000);
      });
      const script = document.createElement('script');
      script.type = 'module';
      script.textContent = text + '\nglobalThis.dispatchEvent(new Event("niivue"));';
      document.head.append(script);
      await ready;
      this.nv = new globalThis.Niivue({
        backColor: [0, 0, 0, 1], crosshairColor: [1, 1, 1, 0.7], crosshairWidth: 0.2, isRadiologicalConvention: true, sagittalNoseLeft: true, dragAndDropEnabled: false, loadingText: '', logLevel: 'error',
        isNearestInterpolation: false, sliceType: 3, multiplanarForceRender: false, isResizeCanvas: true,
      });
      await this.nv.attachToCanvas(byId('v-canvas'));
      this.nv.setInterpolation(false);
      this.nv.onLocationChange = () => this.follow();
    }
    async open(data) {
      const labels = [0, ...data.colours.map((one) => one[1])];
      const part = (at) => [0, ...data.colours.map((one) => parseInt(one[1].slice(at, at + 2), 16))];
      const lut = { R: part(1), G: part(3), B: part(5), A: labels.map((_, i) => (i ? 255 : 0)), I: labels.map((_, i) => i), labels: ['', ...data.colours.map((one) => one[0])] };
      const volume = (name, base64, rest) => ({ url: `data:application/gzip;base64,${base64}`, name: `${name}.nii.gz`, ...rest });
      const layers = Object.keys(data.layers);
      await this.nv.loadVolumes([
        volume('scan', data.scan, { colormap: 'gray', cal_min: data.range[0], cal_max: data.range[1] }),
        ...layers.map((name, i) => volume(`layer${i}`, data.layers[name], { opacity: 0 })),
      ]);
      this.layers = layers;
      layers.forEach((_, i) => this.nv.volumes[i + 1].setColormapLabel(lut));
      this.size = this.nv.volumes[0].dimsRAS.slice(1, 4);
      this.view(Number(byId('v-view').value));
      return Math.floor(this.range[0] / 2);
    }
    show(layer, opacity) {
      this.layers.forEach((name, i) => { this.nv.volumes[i + 1].opacity = name === layer ? opacity : 0; });
      this.nv.updateGLVolume();
    }
    slice(at) {
      const vox = this.nv.frac2vox(this.nv.scene.crosshairPos);
      vox[this.axis] = at;
      this.nv.scene.crosshairPos = this.nv.vox2frac(vox);
      this.nv.drawScene();
    }
    view(kind) {
      this.axis = { 0: 2, 1: 1, 2: 0 }[kind] ?? 2;
      this.range = [this.size[this.axis]];
      this.nv.setSliceType(kind);
    }
    follow() {
      slider.value = Math.round(this.nv.frac2vox(this.nv.scene.crosshairPos)[this.axis]);
      place();
    }
  }

  const viewer = stage.dataset.viewer === 'niivue' ? new Volumes() : new Slices();
  let started = null;
  const place = () => { byId('v-place').textContent = `${Number(slider.value) + 1} of ${viewer.range[0]}`; };
  const chosen = () => document.querySelector('#v-layers input:checked').value;
  const overlay = () => viewer.show(chosen(), Number(byId('v-opacity').value));

  function choices(data, names) {
    const every = [['', 'scan alone'], ...names.map((name) => [name, name])];
    const before = document.querySelector('#v-layers input:checked')?.value;
    const wanted = names.includes(before) ? before : names[0] ?? '';
    const labels = every.map(([value, text]) => {
      const label = document.createElement('label');
      const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'layer', value, checked: value === wanted });
      input.addEventListener('change', overlay);
      label.append(input, text);
      if (data.scores[value]) label.append(Object.assign(document.createElement('b'), { textContent: data.scores[value] }));
      return label;
    });
    byId('v-layers').replaceChildren(byId('v-layers').firstElementChild, ...labels);
    byId('v-colours').replaceChildren(...data.colours.map(([name, colour]) => {
      const entry = document.createElement('li');
      const square = document.createElement('i');
      square.style.color = colour;
      entry.append(square, name);
      return entry;
    }));
  }

  async function open(id) {
    stage.classList.add('is-open');
    byId('v-case').value = id;
    message('loading ...');
    try {
      started ??= viewer.start();
      await started;
      const data = JSON.parse(byId(`${id}-data`).textContent);
      const middle = await viewer.open(data);
      slider.max = viewer.range[0] - 1;
      slider.value = middle;
      choices(data, Object.keys(stage.dataset.viewer === 'niivue' ? data.layers : data.slices).filter(Boolean));
      viewer.slice(middle);
      overlay();
      place();
      message('');
      stage.dataset.state = 'drawn';
    } catch (error) {
      message(`cannot be shown: ${error.message}`);
      stage.dataset.state = 'failed';
    }
  }

  slider.addEventListener('input', () => { if (viewer.range) { viewer.slice(Number(slider.value)); place(); } });
  byId('v-opacity').addEventListener('input', () => { if (viewer.range) overlay(); });
  byId('v-case').addEventListener('change', () => open(byId('v-case').value));
  byId('v-open').addEventListener('click', () => open(byId('v-case').value));
  byId('v-view')?.addEventListener('change', () => {
    if (!viewer.range) return;
    viewer.view(Number(byId('v-view').value));
    slider.max = viewer.range[0] - 1;
    viewer.follow();
  });
  stage.addEventListener('keydown', (event) => {
    const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (!step || !viewer.range || event.target.tagName === 'BUTTON') return;
    event.preventDefault();
    event.stopPropagation();
    slider.value = Number(slider.value) + step;
    slider.dispatchEvent(new Event('input'));
  }, true);
  for (const link of document.querySelectorAll('[data-open]')) {
    link.addEventListener('click', () => open(link.dataset.open));
  }
  if (stage.dataset.viewer === 'slices') open(byId('v-case').value);
  if (location.hash.startsWith('#view-')) open(location.hash.slice(6));  // an address that opens a case
})();
