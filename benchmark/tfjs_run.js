// Runs a tfjs GraphModel on one tensor: node tfjs_run.js MODEL.json TENSOR SHAPE DTYPE, with NODE_PATH naming the packages.
// TENSOR: a file of raw float32 or int32. Prints the outputs' shapes by tensor name as JSON, and writes the values of each, float32,
// in the same order, to TENSOR.out.
'use strict';

const fs = require('fs');
const path = require('path');
console.log = console.warn = () => {}; // tfjs's advice
const tf = require('@tensorflow/tfjs');

function files(modelPath) {
  const model = JSON.parse(fs.readFileSync(modelPath, 'utf8'));
  const groups = model.weightsManifest;
  const parts = groups.flatMap((group) => group.paths.map((name) => fs.readFileSync(path.join(path.dirname(modelPath), name))));
  const bytes = Buffer.concat(parts);
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const weightSpecs = groups.flatMap((group) => group.weights);
  return {load: async () => ({modelTopology: model.modelTopology, signature: model.signature, weightSpecs, weightData})};
}

async function main([modelPath, tensorPath, shape, dtype]) {
  await tf.setBackend('cpu');
  const model = await tf.loadGraphModel(files(modelPath));
  const bytes = fs.readFileSync(tensorPath);
  const raw = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const values = dtype === 'int32' ? new Int32Array(raw) : new Float32Array(raw);
  const found = await model.executeAsync(tf.tensor(values, JSON.parse(shape), dtype));
  const outputs = Array.isArray(found) ? found : [found];
  const data = outputs.map((output) => Buffer.from(Float32Array.from(output.dataSync()).buffer));
  fs.writeFileSync(`${tensorPath}.out`, Buffer.concat(data));
  const names = model.outputs.map((output) => output.name.split(':')[0]);
  fs.writeSync(1, JSON.stringify(names.map((name, i) => [name, outputs[i].shape])) + '\n');
}

main(process.argv.slice(2));
