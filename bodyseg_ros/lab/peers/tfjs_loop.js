// Times body-pix on tfjs's WebAssembly backend; run by node, with NODE_PATH naming the folder of its packages.
'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');

console.log = console.error; // tfjs's own words must not come between the answers
const answer = (object) => fs.writeSync(1, JSON.stringify(object) + '\n');

const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
const wasm = require('@tensorflow/tfjs-backend-wasm');
const bodyPix = require('@tensorflow-models/body-pix');

// body-pix multiplies whole numbers to find the strongest part, which this backend refuses: they go through floats.
function multiplyWholeNumbers() {
  const floats = tf.getKernel('BatchMatMul', 'wasm').kernelFunc;
  const kernelFunc = (call) => {
    const {a, b} = call.inputs;
    if (a.dtype !== 'int32') return floats(call);
    const cast = (x, dtype) => tf.engine().runKernel('Cast', {x}, {dtype});
    return cast(tf.engine().runKernel('BatchMatMul', {a: cast(a, 'float32'), b: cast(b, 'float32')}, call.attrs), 'int32');
  };
  tf.unregisterKernel('BatchMatMul', 'wasm');
  tf.registerKernel({kernelName: 'BatchMatMul', backendName: 'wasm', kernelFunc});
}

// A loader of files, as tfjs's own takes addresses alone.
function files(modelPath) {
  const model = JSON.parse(fs.readFileSync(modelPath, 'utf8'));
  const groups = model.weightsManifest;
  const parts = groups.flatMap((group) => group.paths.map((name) => fs.readFileSync(path.join(path.dirname(modelPath), name))));
  const bytes = Buffer.concat(parts);
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const weightSpecs = groups.flatMap((group) => group.weights);
  return {load: async () => ({modelTopology: model.modelTopology, weightSpecs, weightData})};
}

const TASKS = {
  mask: (net, input, options) => net.segmentPerson(input, options),
  parts: (net, input, options) => net.segmentPersonParts(input, options),
  everyone: (net, input, options) => net.segmentMultiPersonParts(input, options),
};

async function main() {
  const lines = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();
  const asked = JSON.parse((await lines.next()).value);
  wasm.setWasmPaths(path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + path.sep);
  await tf.setBackend('wasm');
  multiplyWholeNumbers();
  const net = await bodyPix.load({
    architecture: 'MobileNetV1', multiplier: 0.5, outputStride: asked.stride, quantBytes: 4, modelUrl: files(asked.weights),
  });
  const {version} = require('@tensorflow-models/body-pix/package.json');
  answer({name: `body-pix ${version}, tfjs ${tf.version_core} ${tf.getBackend()}`});
  const {settings} = asked;
  const options = {
    internalResolution: settings.internal_resolution, segmentationThreshold: settings.segmentation_threshold,
    maxDetections: settings.max_detections, scoreThreshold: settings.score_threshold, nmsRadius: settings.nms_radius,
    minKeypointScore: settings.min_keypoint_score, refineSteps: settings.refine_steps,
  };
  for await (const line of lines) {
    const request = JSON.parse(line);
    const bytes = Int32Array.from(fs.readFileSync(request.image));
    const input = tf.tensor3d(bytes, [request.height, request.width, 3], 'int32');
    const began = process.hrtime.bigint();
    const seen = await TASKS[request.task](net, input, options);
    const ms = Number(process.hrtime.bigint() - began) / 1e6;
    input.dispose();
    // A mask holds 0 and 1, a map of parts -1 and the part; people may overlap.
    const least = request.task === 'mask' ? 1 : 0;
    const person = new Uint8Array(request.width * request.height);
    for (const {data} of [seen].flat()) data.forEach((value, index) => { if (value >= least) person[index] = 1; });
    const people = request.task === 'everyone' ? seen.length : null;
    answer({ms, pixels: person.reduce((sum, value) => sum + value, 0), people});
  }
}

main().catch((error) => { console.error(error.message); process.exit(1); });
