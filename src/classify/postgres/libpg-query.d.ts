/** The Emscripten module inside the package, which its own entry point makes one instance of and never replaces. */
declare module 'libpg-query/wasm/libpg-query.js' {
  /** Only what parser.ts uses. */
  export interface Instance {
    readonly HEAPU8: Uint8Array
    lengthBytesUTF8(text: string): number
    stringToUTF8(text: string, pointer: number, most: number): void
    UTF8ToString(pointer: number): string
    getValue(pointer: number, type: 'i32'): number
    _malloc(size: number): number
    _free(pointer: number): void
    _wasm_parse_query_raw(text: number): number
    _wasm_free_parse_result(result: number): void
  }
  export default function make(): Promise<Instance>
}
