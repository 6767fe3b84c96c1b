/** Records as bytes: their format, the cursor that reads them and the writer that makes them. */
export { BATCH_HEADER_BYTES, type RecordBatch, type RecordChunk, type RecordHeader } from './record-format.js'
export { RecordCursor } from './record-cursor.js'
export { RecordWriter } from './record-writer.js'
