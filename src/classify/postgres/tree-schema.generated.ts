// Written by scripts/generate-tree-schema.ts from @pgsql/types. Do not edit.

/** `Node field field* field:Struct`: a plain value, a node or list of nodes, and a structure written without its name. */
export const TREE_SCHEMA = `
ParseResult version stmts:RawStmt
ScanResult version tokens:ScanToken
Integer ival
Float fval
Boolean boolval
String sval
BitString bsval
List items*
OidList items*
IntList items*
A_Const ival:Integer fval:Float boolval:Boolean sval:String bsval:BitString isnull location
Alias aliasname colnames*
RangeVar catalogname schemaname relname inh relpersistence alias:Alias location
TableFunc functype ns_uris* ns_names* docexpr* rowexpr* colnames* coltypes* coltypmods* colcollations* colexprs* coldefexprs* colvalexprs* passingvalexprs* notnulls plan* ordinalitycol location
IntoClause rel:RangeVar colNames* accessMethod options* onCommit tableSpaceName viewQuery:Query skipData
Var xpr* varno varattno vartype vartypmod varcollid varnullingrels varlevelsup varreturningtype location
Param xpr* paramkind paramid paramtype paramtypmod paramcollid location
Aggref xpr* aggfnoid aggtype aggcollid inputcollid aggargtypes* aggdirectargs* args* aggorder* aggdistinct* aggfilter* aggstar aggvariadic aggkind agglevelsup aggsplit aggno aggtransno location
GroupingFunc xpr* args* refs* agglevelsup location
WindowFunc xpr* winfnoid wintype wincollid inputcollid args* aggfilter* runCondition* winref winstar winagg location
WindowFuncRunCondition xpr* opno inputcollid wfunc_left arg*
MergeSupportFunc xpr* msftype msfcollid location
SubscriptingRef xpr* refcontainertype refelemtype refrestype reftypmod refcollid refupperindexpr* reflowerindexpr* refexpr* refassgnexpr*
FuncExpr xpr* funcid funcresulttype funcretset funcvariadic funcformat funccollid inputcollid args* location
NamedArgExpr xpr* arg* name argnumber location
OpExpr xpr* opno opresulttype opretset opcollid inputcollid args* location
DistinctExpr xpr* opno opresulttype opretset opcollid inputcollid args* location
NullIfExpr xpr* opno opresulttype opretset opcollid inputcollid args* location
ScalarArrayOpExpr xpr* opno useOr inputcollid args* location
BoolExpr xpr* boolop args* location
SubLink xpr* subLinkType subLinkId testexpr* operName* subselect* location
SubPlan xpr* subLinkType testexpr* paramIds* plan_id plan_name firstColType firstColTypmod firstColCollation useHashTable unknownEqFalse parallel_safe setParam* parParam* args* startup_cost per_call_cost
AlternativeSubPlan xpr* subplans*
FieldSelect xpr* arg* fieldnum resulttype resulttypmod resultcollid
FieldStore xpr* arg* newvals* fieldnums* resulttype
RelabelType xpr* arg* resulttype resulttypmod resultcollid relabelformat location
CoerceViaIO xpr* arg* resulttype resultcollid coerceformat location
ArrayCoerceExpr xpr* arg* elemexpr* resulttype resulttypmod resultcollid coerceformat location
ConvertRowtypeExpr xpr* arg* resulttype convertformat location
CollateExpr xpr* arg* collOid location
CaseExpr xpr* casetype casecollid arg* args* defresult* location
CaseWhen xpr* expr* result* location
CaseTestExpr xpr* typeId typeMod collation
ArrayExpr xpr* array_typeid array_collid element_typeid elements* multidims list_start list_end location
RowExpr xpr* args* row_typeid row_format colnames* location
RowCompareExpr xpr* cmptype opnos* opfamilies* inputcollids* largs* rargs*
CoalesceExpr xpr* coalescetype coalescecollid args* location
MinMaxExpr xpr* minmaxtype minmaxcollid inputcollid op args* location
SQLValueFunction xpr* op type typmod location
XmlExpr xpr* op name named_args* arg_names* args* xmloption indent type typmod location
JsonFormat format_type encoding location
JsonReturning format:JsonFormat typid typmod
JsonValueExpr raw_expr* formatted_expr* format:JsonFormat
JsonConstructorExpr xpr* type args* func* coercion* returning:JsonReturning absent_on_null unique location
JsonIsPredicate expr* format:JsonFormat item_type unique_keys location
JsonBehavior btype expr* coerce location
JsonExpr xpr* op column_name formatted_expr* format:JsonFormat path_spec* returning:JsonReturning passing_names* passing_values* on_empty:JsonBehavior on_error:JsonBehavior use_io_coercion use_json_coercion wrapper omit_quotes collation location
JsonTablePath name
JsonTablePathScan plan* path:JsonTablePath errorOnError child* colMin colMax
JsonTableSiblingJoin plan* lplan* rplan*
NullTest xpr* arg* nulltesttype argisrow location
BooleanTest xpr* arg* booltesttype location
MergeAction matchKind commandType override qual* targetList* updateColnos*
CoerceToDomain xpr* arg* resulttype resulttypmod resultcollid coercionformat location
CoerceToDomainValue xpr* typeId typeMod collation location
SetToDefault xpr* typeId typeMod collation location
CurrentOfExpr xpr* cvarno cursor_name cursor_param
NextValueExpr xpr* seqid typeId
InferenceElem xpr* expr* infercollid inferopclass
ReturningExpr xpr* retlevelsup retold retexpr*
TargetEntry xpr* expr* resno resname ressortgroupref resorigtbl resorigcol resjunk
RangeTblRef rtindex
JoinExpr jointype isNatural larg* rarg* usingClause* join_using_alias:Alias quals* alias:Alias rtindex
FromExpr fromlist* quals*
OnConflictExpr action arbiterElems* arbiterWhere* constraint onConflictSet* onConflictWhere* exclRelIndex exclRelTlist*
Query commandType querySource canSetTag utilityStmt* resultRelation hasAggs hasWindowFuncs hasTargetSRFs hasSubLinks hasDistinctOn hasRecursive hasModifyingCTE hasForUpdate hasRowSecurity hasGroupRTE isReturn cteList* rtable* rteperminfos* jointree:FromExpr mergeActionList* mergeTargetRelation mergeJoinCondition* targetList* override onConflict:OnConflictExpr returningOldAlias returningNewAlias returningList* groupClause* groupDistinct groupingSets* havingQual* windowClause* distinctClause* sortClause* limitOffset* limitCount* limitOption rowMarks* setOperations* constraintDeps* withCheckOptions* stmt_location stmt_len
TypeName names* typeOid setof pct_type typmods* typemod arrayBounds* location
ColumnRef fields* location
ParamRef number location
A_Expr kind name* lexpr* rexpr* rexpr_list_start rexpr_list_end location
TypeCast arg* typeName:TypeName location
CollateClause arg* collname* location
RoleSpec roletype rolename location
FuncCall funcname* args* agg_order* agg_filter* over:WindowDef agg_within_group agg_star agg_distinct func_variadic funcformat location
A_Star
A_Indices is_slice lidx* uidx*
A_Indirection arg* indirection*
A_ArrayExpr elements* list_start list_end location
ResTarget name indirection* val* location
MultiAssignRef source* colno ncolumns
SortBy node* sortby_dir sortby_nulls useOp* location
WindowDef name refname partitionClause* orderClause* frameOptions startOffset* endOffset* location
RangeSubselect lateral subquery* alias:Alias
RangeFunction lateral ordinality is_rowsfrom functions* alias:Alias coldeflist*
RangeTableFunc lateral docexpr* rowexpr* namespaces* columns* alias:Alias location
RangeTableFuncCol colname typeName:TypeName for_ordinality is_not_null colexpr* coldefexpr* location
RangeTableSample relation* method* args* repeatable* location
ColumnDef colname typeName:TypeName compression inhcount is_local is_not_null is_from_type storage storage_name raw_default* cooked_default* identity identitySequence:RangeVar generated collClause:CollateClause collOid constraints* fdwoptions* location
TableLikeClause relation:RangeVar options relationOid
IndexElem name expr* indexcolname collation* opclass* opclassopts* ordering nulls_ordering
DefElem defnamespace defname arg* defaction location
LockingClause lockedRels* strength waitPolicy
XmlSerialize xmloption expr* typeName:TypeName indent location
PartitionElem name expr* collation* opclass* location
PartitionSpec strategy partParams* location
PartitionBoundSpec strategy is_default modulus remainder listdatums* lowerdatums* upperdatums* location
PartitionRangeDatum kind value* location
PartitionCmd name:RangeVar bound:PartitionBoundSpec concurrent
RangeTblEntry alias:Alias eref:Alias rtekind relid inh relkind rellockmode perminfoindex tablesample:TableSampleClause subquery:Query security_barrier jointype joinmergedcols joinaliasvars* joinleftcols* joinrightcols* join_using_alias:Alias functions* funcordinality tablefunc:TableFunc values_lists* ctename ctelevelsup self_reference coltypes* coltypmods* colcollations* enrname enrtuples groupexprs* lateral inFromCl securityQuals*
RTEPermissionInfo relid inh requiredPerms checkAsUser selectedCols insertedCols updatedCols
RangeTblFunction funcexpr* funccolcount funccolnames* funccoltypes* funccoltypmods* funccolcollations* funcparams
TableSampleClause tsmhandler args* repeatable*
WithCheckOption kind relname polname qual* cascaded
SortGroupClause tleSortGroupRef eqop sortop reverse_sort nulls_first hashable
GroupingSet kind content* location
WindowClause name refname partitionClause* orderClause* frameOptions startOffset* endOffset* startInRangeFunc endInRangeFunc inRangeColl inRangeAsc inRangeNullsFirst winref copiedOrder
RowMarkClause rti strength waitPolicy pushedDown
WithClause ctes* recursive location
InferClause indexElems* whereClause* conname location
OnConflictClause action infer:InferClause targetList* whereClause* location
CTESearchClause search_col_list* search_breadth_first search_seq_column location
CTECycleClause cycle_col_list* cycle_mark_column cycle_mark_value* cycle_mark_default* cycle_path_column location cycle_mark_type cycle_mark_typmod cycle_mark_collation cycle_mark_neop
CommonTableExpr ctename aliascolnames* ctematerialized ctequery* search_clause:CTESearchClause cycle_clause:CTECycleClause location cterecursive cterefcount ctecolnames* ctecoltypes* ctecoltypmods* ctecolcollations*
MergeWhenClause matchKind commandType override condition* targetList* values*
ReturningOption option value location
ReturningClause options* exprs*
TriggerTransition name isNew isTable
JsonOutput typeName:TypeName returning:JsonReturning
JsonArgument val:JsonValueExpr name
JsonFuncExpr op column_name context_item:JsonValueExpr pathspec* passing* output:JsonOutput on_empty:JsonBehavior on_error:JsonBehavior wrapper quotes location
JsonTablePathSpec string* name name_location location
JsonTable context_item:JsonValueExpr pathspec:JsonTablePathSpec passing* columns* on_error:JsonBehavior alias:Alias lateral location
JsonTableColumn coltype name typeName:TypeName pathspec:JsonTablePathSpec format:JsonFormat wrapper quotes columns* on_empty:JsonBehavior on_error:JsonBehavior location
JsonKeyValue key* value:JsonValueExpr
JsonParseExpr expr:JsonValueExpr output:JsonOutput unique_keys location
JsonScalarExpr expr* output:JsonOutput location
JsonSerializeExpr expr:JsonValueExpr output:JsonOutput location
JsonObjectConstructor exprs* output:JsonOutput absent_on_null unique location
JsonArrayConstructor exprs* output:JsonOutput absent_on_null location
JsonArrayQueryConstructor query* output:JsonOutput format:JsonFormat absent_on_null location
JsonAggConstructor output:JsonOutput agg_filter* agg_order* over:WindowDef location
JsonObjectAgg constructor:JsonAggConstructor arg:JsonKeyValue absent_on_null unique
JsonArrayAgg constructor:JsonAggConstructor arg:JsonValueExpr absent_on_null
RawStmt stmt* stmt_location stmt_len
InsertStmt relation:RangeVar cols* selectStmt* onConflictClause:OnConflictClause returningClause:ReturningClause withClause:WithClause override
DeleteStmt relation:RangeVar usingClause* whereClause* returningClause:ReturningClause withClause:WithClause
UpdateStmt relation:RangeVar targetList* whereClause* fromClause* returningClause:ReturningClause withClause:WithClause
MergeStmt relation:RangeVar sourceRelation* joinCondition* mergeWhenClauses* returningClause:ReturningClause withClause:WithClause
SelectStmt distinctClause* intoClause:IntoClause targetList* fromClause* whereClause* groupClause* groupDistinct havingClause* windowClause* valuesLists* sortClause* limitOffset* limitCount* limitOption lockingClause* withClause:WithClause op all larg:SelectStmt rarg:SelectStmt
SetOperationStmt op all larg* rarg* colTypes* colTypmods* colCollations* groupClauses*
ReturnStmt returnval*
PLAssignStmt name indirection* nnames val:SelectStmt location
CreateSchemaStmt schemaname authrole:RoleSpec schemaElts* if_not_exists
AlterTableStmt relation:RangeVar cmds* objtype missing_ok
AlterTableCmd subtype name num newowner:RoleSpec def* behavior missing_ok recurse
ATAlterConstraint conname alterEnforceability is_enforced alterDeferrability deferrable initdeferred alterInheritability noinherit
ReplicaIdentityStmt identity_type name
AlterCollationStmt collname*
AlterDomainStmt subtype typeName* name def* behavior missing_ok
GrantStmt is_grant targtype objtype objects* privileges* grantees* grant_option grantor:RoleSpec behavior
ObjectWithArgs objname* objargs* objfuncargs* args_unspecified
AccessPriv priv_name cols*
GrantRoleStmt granted_roles* grantee_roles* is_grant opt* grantor:RoleSpec behavior
AlterDefaultPrivilegesStmt options* action:GrantStmt
CopyStmt relation:RangeVar query* attlist* is_from is_program filename options* whereClause*
VariableSetStmt kind name args* jumble_args is_local location
VariableShowStmt name
CreateStmt relation:RangeVar tableElts* inhRelations* partbound:PartitionBoundSpec partspec:PartitionSpec ofTypename:TypeName constraints* nnconstraints* options* oncommit tablespacename accessMethod if_not_exists
Constraint contype conname deferrable initdeferred is_enforced skip_validation initially_valid is_no_inherit raw_expr* cooked_expr generated_when generated_kind nulls_not_distinct keys* without_overlaps including* exclusions* options* indexname indexspace reset_default_tblspc access_method where_clause* pktable:RangeVar fk_attrs* pk_attrs* fk_with_period pk_with_period fk_matchtype fk_upd_action fk_del_action fk_del_set_cols* old_conpfeqop* old_pktable_oid location
CreateTableSpaceStmt tablespacename owner:RoleSpec location options*
DropTableSpaceStmt tablespacename missing_ok
AlterTableSpaceOptionsStmt tablespacename options* isReset
AlterTableMoveAllStmt orig_tablespacename objtype roles* new_tablespacename nowait
CreateExtensionStmt extname if_not_exists options*
AlterExtensionStmt extname options*
AlterExtensionContentsStmt extname action objtype object*
CreateFdwStmt fdwname func_options* options*
AlterFdwStmt fdwname func_options* options*
CreateForeignServerStmt servername servertype version fdwname if_not_exists options*
AlterForeignServerStmt servername version options* has_version
CreateForeignTableStmt base:CreateStmt servername options*
CreateUserMappingStmt user:RoleSpec servername if_not_exists options*
AlterUserMappingStmt user:RoleSpec servername options*
DropUserMappingStmt user:RoleSpec servername missing_ok
ImportForeignSchemaStmt server_name remote_schema local_schema list_type table_list* options*
CreatePolicyStmt policy_name table:RangeVar cmd_name permissive roles* qual* with_check*
AlterPolicyStmt policy_name table:RangeVar roles* qual* with_check*
CreateAmStmt amname handler_name* amtype
CreateTrigStmt replace isconstraint trigname relation:RangeVar funcname* args* row timing events columns* whenClause* transitionRels* deferrable initdeferred constrrel:RangeVar
CreateEventTrigStmt trigname eventname whenclause* funcname*
AlterEventTrigStmt trigname tgenabled
CreatePLangStmt replace plname plhandler* plinline* plvalidator* pltrusted
CreateRoleStmt stmt_type role options*
AlterRoleStmt role:RoleSpec options* action
AlterRoleSetStmt role:RoleSpec database setstmt:VariableSetStmt
DropRoleStmt roles* missing_ok
CreateSeqStmt sequence:RangeVar options* ownerId for_identity if_not_exists
AlterSeqStmt sequence:RangeVar options* for_identity missing_ok
DefineStmt kind oldstyle defnames* args* definition* if_not_exists replace
CreateDomainStmt domainname* typeName:TypeName collClause:CollateClause constraints*
CreateOpClassStmt opclassname* opfamilyname* amname datatype:TypeName items* isDefault
CreateOpClassItem itemtype name:ObjectWithArgs number order_family* class_args* storedtype:TypeName
CreateOpFamilyStmt opfamilyname* amname
AlterOpFamilyStmt opfamilyname* amname isDrop items*
DropStmt objects* removeType behavior missing_ok concurrent
TruncateStmt relations* restart_seqs behavior
CommentStmt objtype object* comment
SecLabelStmt objtype object* provider label
DeclareCursorStmt portalname options query*
ClosePortalStmt portalname
FetchStmt direction howMany portalname ismove
IndexStmt idxname relation:RangeVar accessMethod tableSpace indexParams* indexIncludingParams* options* whereClause* excludeOpNames* idxcomment indexOid oldNumber oldCreateSubid oldFirstRelfilelocatorSubid unique nulls_not_distinct primary isconstraint iswithoutoverlaps deferrable initdeferred transformed concurrent if_not_exists reset_default_tblspc
CreateStatsStmt defnames* stat_types* exprs* relations* stxcomment transformed if_not_exists
StatsElem name expr*
AlterStatsStmt defnames* stxstattarget* missing_ok
CreateFunctionStmt is_procedure replace funcname* parameters* returnType:TypeName options* sql_body*
FunctionParameter name argType:TypeName mode defexpr* location
AlterFunctionStmt objtype func:ObjectWithArgs actions*
DoStmt args*
InlineCodeBlock source_text langOid langIsTrusted atomic
CallStmt funccall:FuncCall funcexpr:FuncExpr outargs*
CallContext atomic
RenameStmt renameType relationType relation:RangeVar object* subname newname behavior missing_ok
AlterObjectDependsStmt objectType relation:RangeVar object* extname:String remove
AlterObjectSchemaStmt objectType relation:RangeVar object* newschema missing_ok
AlterOwnerStmt objectType relation:RangeVar object* newowner:RoleSpec
AlterOperatorStmt opername:ObjectWithArgs options*
AlterTypeStmt typeName* options*
RuleStmt relation:RangeVar rulename whereClause* event instead actions* replace
NotifyStmt conditionname payload
ListenStmt conditionname
UnlistenStmt conditionname
TransactionStmt kind options* savepoint_name gid chain location
CompositeTypeStmt typevar:RangeVar coldeflist*
CreateEnumStmt typeName* vals*
CreateRangeStmt typeName* params*
AlterEnumStmt typeName* oldVal newVal newValNeighbor newValIsAfter skipIfNewValExists
ViewStmt view:RangeVar aliases* query* replace options* withCheckOption
LoadStmt filename
CreatedbStmt dbname options*
AlterDatabaseStmt dbname options*
AlterDatabaseRefreshCollStmt dbname
AlterDatabaseSetStmt dbname setstmt:VariableSetStmt
DropdbStmt dbname missing_ok options*
AlterSystemStmt setstmt:VariableSetStmt
ClusterStmt relation:RangeVar indexname params*
VacuumStmt options* rels* is_vacuumcmd
VacuumRelation relation:RangeVar oid va_cols*
ExplainStmt query* options*
CreateTableAsStmt query* into:IntoClause objtype is_select_into if_not_exists
RefreshMatViewStmt concurrent skipData relation:RangeVar
CheckPointStmt
DiscardStmt target
LockStmt relations* mode nowait
ConstraintsSetStmt constraints* deferred
ReindexStmt kind relation:RangeVar name params*
CreateConversionStmt conversion_name* for_encoding_name to_encoding_name func_name* def
CreateCastStmt sourcetype:TypeName targettype:TypeName func:ObjectWithArgs context inout
CreateTransformStmt replace type_name:TypeName lang fromsql:ObjectWithArgs tosql:ObjectWithArgs
PrepareStmt name argtypes* query*
ExecuteStmt name params*
DeallocateStmt name isall location
DropOwnedStmt roles* behavior
ReassignOwnedStmt roles* newrole:RoleSpec
AlterTSDictionaryStmt dictname* options*
AlterTSConfigurationStmt kind cfgname* tokentype* dicts* override replace missing_ok
PublicationTable relation:RangeVar whereClause* columns*
PublicationObjSpec pubobjtype name pubtable:PublicationTable location
CreatePublicationStmt pubname options* pubobjects* for_all_tables
AlterPublicationStmt pubname options* pubobjects* for_all_tables action
CreateSubscriptionStmt subname conninfo publication* options*
AlterSubscriptionStmt kind subname conninfo publication* options*
DropSubscriptionStmt subname missing_ok behavior
ScanToken start end token keywordKind
SummaryResult tables:Table aliases cteNames functions:Function filterColumns:FilterColumn statementTypes truncatedQuery
Table name schemaName tableName context
Function name functionName schemaName context
FilterColumn schemaName tableName column
`
