/** Sealed values. The store sees ciphertext only. */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface SecretStore {}
