// Measures ONNX Runtime on one model, or compares what it computes.
//
//   node ort_run.js --runtime DIR --model FILE --data FILE --shape 1,3,224,224 --threads N
//                   [--runs N | --compare FILE | --optimized FILE]
//
// DIR holds node_modules/onnxruntime-node. The data are raw float32, little-endian; as many as the shape says are read.
//   --runs N          prints median, fastest and slowest milliseconds of N runs, after a tenth as many that do not count
//   --compare FILE    takes another program's outputs from FILE, one row per sample, and prints how many samples have
//                     the same greatest element, and the SQNR of these outputs against ONNX Runtime's in dB
//   --optimized FILE  writes the model as ONNX Runtime runs it
// The native session is called directly: the promise around it that applications await costs as much as a small model.
'use strict';
const fs = require('fs');
const path = require('path');
const {parseArgs} = require('util');

const names = ['runtime', 'model', 'data', 'shape', 'threads', 'runs', 'compare', 'optimized'];
const {values: args} = parseArgs({options: Object.fromEntries(names.map((name) => [name, {type: 'string'}]))});

const modules = path.resolve(args.runtime, 'node_modules');
const {env, Tensor} = require(path.join(modules, 'onnxruntime-common'));
const {binding, initOrt} = require(path.join(modules, 'onnxruntime-node', 'dist', 'binding.js'));

const floats = (file) => {
  const bytes = fs.readFileSync(file);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
};

const makeSession = () => {
  const options = {
    intraOpNumThreads: Number(args.threads),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  };
  if (args.optimized) options.optimizedModelFilePath = args.optimized;
  env.logLevel = 'error';
  initOrt();
  const session = new binding.InferenceSession();
  session.loadModel(args.model, options);
  return session;
};

const session = makeSession();
const shape = args.shape.split(',').map(Number);
const count = shape.reduce((product, extent) => product * extent, 1);
const x = new Tensor('float32', floats(args.data).subarray(0, count), shape);
const feeds = {[session.inputMetadata[0].name]: x};
const output = session.outputMetadata[0].name;
const run = () => session.run(feeds, {[output]: null}, {})[output].data;

const measure = (runs) => {
  for (let i = 0; i < Math.max(3, runs / 10); ++i) run();
  const times = Array.from({length: runs}, () => {
    const start = process.hrtime.bigint();
    run();
    return Number(process.hrtime.bigint() - start) / 1e6;
  });
  times.sort((a, b) => a - b);
  return [times[runs >> 1], times[0], times[runs - 1]].map((ms) => ms.toFixed(5)).join(' ');
};

const compare = (ours, theirs) => {
  const classes = theirs.length / shape[0];
  const top1 = (row) => row.reduce((best, value, i) => (value > row[best] ? i : best), 0);
  let agreeing = 0;
  for (let i = 0; i < theirs.length; i += classes)
    agreeing += top1(ours.subarray(i, i + classes)) === top1(theirs.subarray(i, i + classes));
  const signal = theirs.reduce((sum, value) => sum + value * value, 0);
  const noise = theirs.reduce((sum, value, i) => sum + (value - ours[i]) ** 2, 0);
  return `${agreeing} ${(10 * Math.log10(signal / noise)).toFixed(1)}`;
};

if (args.runs) console.log(measure(Number(args.runs)));
if (args.compare) console.log(compare(floats(args.compare), run()));
