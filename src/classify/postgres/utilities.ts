import type { NamedVerb } from '../../domain/verb.ts'

/**
 * What each statement that is not a query does, by the name of its node. `defines`: what stands in it is stored, not
 * run (a view's query, a function's body). Not listed here and not handled in statements.ts: unknown.
 */
export interface Utility {
  readonly tag: string
  readonly verbs: readonly NamedVerb[]
  readonly defines?: boolean
}

const table = (verbs: readonly NamedVerb[], entries: string, defines = false): [string, Utility][] =>
  entries
    .trim()
    .split('\n')
    .map((line) => {
      const [node = '', ...tag] = line.trim().split(' ')
      return [node, { tag: tag.join(' '), verbs, ...(defines ? { defines } : {}) }]
    })

export const UTILITIES: ReadonlyMap<string, Utility> = new Map([
  ...table(
    ['schema'],
    `AlterCollationStmt ALTER COLLATION
    AlterDatabaseRefreshCollStmt ALTER DATABASE
    AlterDatabaseStmt ALTER DATABASE
    AlterDomainStmt ALTER DOMAIN
    AlterEnumStmt ALTER TYPE
    AlterFunctionStmt ALTER FUNCTION
    AlterObjectDependsStmt ALTER
    AlterObjectSchemaStmt ALTER
    AlterOpFamilyStmt ALTER OPERATOR FAMILY
    AlterOperatorStmt ALTER OPERATOR
    AlterSeqStmt ALTER SEQUENCE
    AlterStatsStmt ALTER STATISTICS
    AlterTSConfigurationStmt ALTER TEXT SEARCH CONFIGURATION
    AlterTSDictionaryStmt ALTER TEXT SEARCH DICTIONARY
    AlterTableStmt ALTER TABLE
    AlterTypeStmt ALTER TYPE
    ClusterStmt CLUSTER
    CommentStmt COMMENT
    CompositeTypeStmt CREATE TYPE
    CreateCastStmt CREATE CAST
    CreateConversionStmt CREATE CONVERSION
    CreateDomainStmt CREATE DOMAIN
    CreateEnumStmt CREATE TYPE
    CreateOpClassStmt CREATE OPERATOR CLASS
    CreateOpFamilyStmt CREATE OPERATOR FAMILY
    CreateRangeStmt CREATE TYPE
    CreateSchemaStmt CREATE SCHEMA
    CreateSeqStmt CREATE SEQUENCE
    CreateStatsStmt CREATE STATISTICS
    CreateStmt CREATE TABLE
    CreateTransformStmt CREATE TRANSFORM
    CreatedbStmt CREATE DATABASE
    DefineStmt CREATE
    DropStmt DROP
    DropdbStmt DROP DATABASE
    IndexStmt CREATE INDEX
    RefreshMatViewStmt REFRESH MATERIALIZED VIEW
    ReindexStmt REINDEX
    RenameStmt ALTER
    VacuumStmt VACUUM`,
  ),
  ...table(
    ['schema'],
    `AlterPolicyStmt ALTER POLICY
    CreateFunctionStmt CREATE FUNCTION
    CreatePolicyStmt CREATE POLICY
    CreateTrigStmt CREATE TRIGGER
    RuleStmt CREATE RULE
    ViewStmt CREATE VIEW`,
    true,
  ),
  ...table(
    ['admin'],
    `AlterDatabaseSetStmt ALTER DATABASE
    AlterDefaultPrivilegesStmt ALTER DEFAULT PRIVILEGES
    AlterEventTrigStmt ALTER EVENT TRIGGER
    AlterExtensionContentsStmt ALTER EXTENSION
    AlterExtensionStmt ALTER EXTENSION
    AlterFdwStmt ALTER FOREIGN DATA WRAPPER
    AlterForeignServerStmt ALTER SERVER
    AlterOwnerStmt ALTER OWNER
    AlterPublicationStmt ALTER PUBLICATION
    AlterRoleSetStmt ALTER ROLE
    AlterRoleStmt ALTER ROLE
    AlterSubscriptionStmt ALTER SUBSCRIPTION
    AlterSystemStmt ALTER SYSTEM
    AlterTableMoveAllStmt ALTER TABLE
    AlterTableSpaceOptionsStmt ALTER TABLESPACE
    AlterUserMappingStmt ALTER USER MAPPING
    CheckPointStmt CHECKPOINT
    CreateAmStmt CREATE ACCESS METHOD
    CreateEventTrigStmt CREATE EVENT TRIGGER
    CreateExtensionStmt CREATE EXTENSION
    CreateFdwStmt CREATE FOREIGN DATA WRAPPER
    CreateForeignServerStmt CREATE SERVER
    CreatePLangStmt CREATE LANGUAGE
    CreatePublicationStmt CREATE PUBLICATION
    CreateRoleStmt CREATE ROLE
    CreateSubscriptionStmt CREATE SUBSCRIPTION
    CreateTableSpaceStmt CREATE TABLESPACE
    CreateUserMappingStmt CREATE USER MAPPING
    DropOwnedStmt DROP OWNED
    DropRoleStmt DROP ROLE
    DropSubscriptionStmt DROP SUBSCRIPTION
    DropTableSpaceStmt DROP TABLESPACE
    DropUserMappingStmt DROP USER MAPPING
    GrantRoleStmt GRANT ROLE
    GrantStmt GRANT
    ImportForeignSchemaStmt IMPORT FOREIGN SCHEMA
    LoadStmt LOAD
    ReassignOwnedStmt REASSIGN OWNED
    SecLabelStmt SECURITY LABEL`,
  ),
  ...table(['schema', 'admin'], `CreateForeignTableStmt CREATE FOREIGN TABLE`),
  ...table(
    ['exec'],
    `CallStmt CALL
    DoStmt DO`,
  ),
  ...table(['delete'], `TruncateStmt TRUNCATE`),
  ...table(
    ['write'],
    `ConstraintsSetStmt SET CONSTRAINTS
    ListenStmt LISTEN
    NotifyStmt NOTIFY`,
  ),
  ...table(['read'], `FetchStmt FETCH`),
  ...table(
    ['connect'],
    `ClosePortalStmt CLOSE
    DeallocateStmt DEALLOCATE
    DiscardStmt DISCARD
    UnlistenStmt UNLISTEN
    VariableShowStmt SHOW`,
  ),
])

/** Objects whose DROP or ALTER ... RENAME is administration rather than schema. */
export const ADMIN_OBJECTS: ReadonlySet<string> = new Set([
  'OBJECT_ACCESS_METHOD',
  'OBJECT_EVENT_TRIGGER',
  'OBJECT_EXTENSION',
  'OBJECT_FDW',
  'OBJECT_FOREIGN_SERVER',
  'OBJECT_LANGUAGE',
  'OBJECT_PUBLICATION',
  'OBJECT_ROLE',
  'OBJECT_SUBSCRIPTION',
  'OBJECT_TABLESPACE',
  'OBJECT_USER_MAPPING',
])
const OBJECTS: Readonly<Record<string, string>> = {
  OBJECT_MATVIEW: 'MATERIALIZED VIEW',
  OBJECT_FDW: 'FOREIGN DATA WRAPPER',
  OBJECT_FOREIGN_SERVER: 'SERVER',
  OBJECT_OPCLASS: 'OPERATOR CLASS',
  OBJECT_OPFAMILY: 'OPERATOR FAMILY',
  OBJECT_TSCONFIGURATION: 'TEXT SEARCH CONFIGURATION',
  OBJECT_TSDICTIONARY: 'TEXT SEARCH DICTIONARY',
  OBJECT_TSPARSER: 'TEXT SEARCH PARSER',
  OBJECT_TSTEMPLATE: 'TEXT SEARCH TEMPLATE',
  OBJECT_STATISTIC_EXT: 'STATISTICS',
}
/** `OBJECT_FOREIGN_TABLE` as it stands in a command tag. */
export const objectWords = (object: unknown): string =>
  typeof object === 'string' ? (OBJECTS[object] ?? object.replace(/^OBJECT_/, '').replaceAll('_', ' ')) : ''
