import { TREE_SCHEMA } from './tree-schema.generated.ts'

/** `''` a plain value, `'*'` a node or a list of nodes, otherwise the structure that stands there without its name. */
export type FieldKind = string

/** The fields of every node the parser can produce. What is not in it is not known. */
export const treeSchema: ReadonlyMap<string, ReadonlyMap<string, FieldKind>> = new Map(
  TREE_SCHEMA.trim()
    .split('\n')
    .map((line) => {
      const [name = '', ...fields] = line.split(' ')
      return [
        name,
        new Map(
          fields.map((field): [string, FieldKind] => {
            if (field.endsWith('*')) return [field.slice(0, -1), '*']
            const [left = '', struct = ''] = field.split(':')
            return [left, struct]
          }),
        ),
      ]
    }),
)

/**
 * Nodes that may stand in a query and do nothing by themselves. Those that name something (a function, an operator,
 * a relation, a type, a field) are judged in walk.ts as well. A node that is not here makes the statement `unknown`.
 */
export const QUERY_NODES: ReadonlySet<string> = new Set(
  `A_ArrayExpr A_Const A_Expr A_Indices A_Indirection A_Star Alias BitString BoolExpr Boolean BooleanTest CTECycleClause
  CTESearchClause CaseExpr CaseWhen CoalesceExpr CollateClause ColumnDef ColumnRef CommonTableExpr CurrentOfExpr
  DeleteStmt Float FuncCall GroupingFunc GroupingSet IndexElem InferClause InsertStmt Integer JoinExpr JsonAggConstructor
  JsonArgument JsonArrayAgg JsonArrayConstructor JsonArrayQueryConstructor JsonBehavior JsonFormat JsonFuncExpr
  JsonIsPredicate JsonKeyValue JsonObjectAgg JsonObjectConstructor JsonOutput JsonParseExpr JsonReturning JsonScalarExpr
  JsonSerializeExpr JsonTable JsonTableColumn JsonTablePathSpec JsonValueExpr List MergeStmt MergeSupportFunc
  MergeWhenClause MinMaxExpr MultiAssignRef NamedArgExpr NullTest OnConflictClause ParamRef RangeFunction RangeSubselect
  RangeTableFunc RangeTableFuncCol RangeTableSample RangeVar ResTarget ReturningClause ReturningOption RowExpr
  SQLValueFunction SelectStmt SetToDefault SortBy String SubLink TypeCast TypeName UpdateStmt WindowDef WithClause
  XmlExpr XmlSerialize`.split(/\s+/),
)
