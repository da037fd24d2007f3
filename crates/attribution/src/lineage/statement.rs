//! What each kind of statement gives away, and to whom.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableStmt, ConstrType, CopyStmt, DeleteStmt, ExecuteStmt, ExplainStmt, InsertStmt, Node, ObjectType,
    RangeVar, SelectStmt, UpdateStmt, WithClause,
};

use super::copy;
use super::cover;
use super::level::{Deps, Level};
use super::resolve::Resolver;
use super::schema::{Found, Schema};
use super::{Question, tree};
use crate::SubjectScan;
use crate::catalogue::Role;
use crate::copy_rows::{CopyFormat, CopyRows};

/// What one statement told.
#[derive(Clone, Default)]
pub(super) struct Read {
    pub(super) opaque: bool,
    pub(super) by_literals: bool,
    pub(super) mixed: bool,
    pub(super) copy: Option<CopyRows>,
    pub(super) one_each: Option<SubjectScan>,
}

/// Reads one statement: adds to `questions` what has to be asked before it runs.
pub(super) fn read(
    node: &Node,
    schema: &Schema,
    (prepared, alone): (&dyn Fn(&str) -> Option<String>, bool),
    questions: &mut Vec<Question>,
) -> Read {
    let mut reader = Reader { schema, prepared, questions, read: Read::default(), alone, format: None };
    reader.statement(node);
    reader.read
}

struct Reader<'r> {
    schema: &'r Schema,
    prepared: &'r dyn Fn(&str) -> Option<String>,
    questions: &'r mut Vec<Question>,
    read: Read,
    // No other statement is in the text.
    alone: bool,
    // How the rows of a COPY are written, until its query is read.
    format: Option<CopyFormat>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Rows go to the client under a description that names their origin.
    Rows,
    /// Rows go to the client as text or in COPY's binary form.
    Copied,
    /// Values go somewhere without an origin.
    Staged,
    /// Values go into rows that a condition of the same level chose.
    Assigned,
    /// Only how many rows there were.
    Count,
    /// Only how many rows a command changed.
    Changed,
}

impl Reader<'_> {
    fn statement(&mut self, node: &Node) {
        let Some(node) = &node.node else { return };
        match node {
            NodeEnum::SelectStmt(select) => {
                let staged = select.into_clause.is_some() || first_into(select);
                self.query(select, if staged { Shown::Staged } else { Shown::Rows });
            }
            NodeEnum::InsertStmt(insert) => self.insert(insert),
            NodeEnum::UpdateStmt(update) => {
                let returns = update.returning_clause.is_some();
                self.query(&update_rows(update, self.schema), changed(returns));
                let staged = staged_by(update, self.schema);
                if !staged.is_empty() {
                    let mut select = update_rows(update, self.schema);
                    select.target_list = staged;
                    self.query(&select, Shown::Assigned);
                }
            }
            NodeEnum::DeleteStmt(delete) => {
                self.query(&delete_rows(delete), changed(delete.returning_clause.is_some()));
            }
            // WITH NO DATA runs nothing; a materialised view may be filled later.
            NodeEnum::CreateTableAsStmt(create)
                if create.objtype() == ObjectType::ObjectTable
                    && create.into.as_ref().is_some_and(|into| into.skip_data) => {}
            NodeEnum::CreateTableAsStmt(create) => {
                match create.query.as_deref().and_then(|q| q.node.as_ref()) {
                    Some(NodeEnum::SelectStmt(select)) => self.query(select, Shown::Staged),
                    Some(NodeEnum::ExecuteStmt(execute)) => self.execute(execute, Some(Shown::Staged)),
                    _ => {}
                }
            }
            NodeEnum::CopyStmt(copy) => self.copy(copy),
            NodeEnum::DeclareCursorStmt(declare) => {
                declare.query.iter().for_each(|query| self.statement(query));
                // Its rows come with other statements.
                self.read.one_each = None;
            }
            NodeEnum::ExecuteStmt(execute) => self.execute(execute, None),
            NodeEnum::ExplainStmt(explain) => self.explain(explain),
            NodeEnum::DoStmt(block) => {
                self.read.by_literals = true;
                let mut bodies = block.args.iter().filter_map(|arg| match &arg.node {
                    Some(NodeEnum::DefElem(def)) => def.arg.as_deref(),
                    _ => None,
                });
                self.read.opaque |= bodies.any(|body| match &body.node {
                    Some(NodeEnum::String(body)) => self.schema.concerns(&body.sval),
                    _ => false,
                });
            }
            NodeEnum::CallStmt(call) => {
                if let Some(call) = &call.funccall {
                    let mut select = tree::plain_select();
                    select.target_list = vec![tree::target("", tree::node(NodeEnum::FuncCall(call.clone())))];
                    self.query(&select, Shown::Staged);
                }
            }
            NodeEnum::MergeStmt(_) => self.read.opaque = true,
            NodeEnum::AlterTableStmt(alter) => self.read.opaque |= self.computes(alter),
            _ => {}
        }
    }

    fn query(&mut self, select: &SelectStmt, shown: Shown) {
        let mut resolver = Resolver::new(self.schema);
        let level = resolver.select(select);
        self.read.opaque |= resolver.opaque;
        self.read.by_literals |= resolver.by_literals;
        let needed = match shown {
            Shown::Rows => {
                self.read.mixed |= cover::is_mixed(&level);
                self.read.one_each = cover::one_each(&level).filter(|_| self.alone);
                cover::uncovered(&level, true)
            }
            Shown::Copied => {
                let format = self.format.take().filter(|_| !resolver.has_namesakes);
                self.read.copy = format.and_then(|format| copy::rows(&level, format));
                let origins = self.read.copy.is_some();
                self.read.mixed |= origins && cover::is_mixed(&level);
                self.read.one_each = cover::one_each(&level).filter(|_| origins);
                cover::uncovered(&level, origins)
            }
            Shown::Staged => level.total(),
            Shown::Assigned => {
                let mut assigned = level.output_deps();
                level.sublinks.iter().for_each(|link| assigned.unite(&link.all_conditions()));
                assigned
            }
            Shown::Count => level.all_conditions(),
            Shown::Changed => level.questioned(true),
        };
        self.ask(level, needed);
    }

    fn ask(&mut self, level: Level, needed: Deps) {
        if !needed.is_empty() {
            self.questions.push(Question { level, needed });
        }
    }

    fn insert(&mut self, insert: &InsertStmt) {
        let Some(source) = tree::as_select(insert.select_stmt.as_deref()) else { return };
        let mut source = source.clone();
        if source.with_clause.is_none() {
            source.with_clause.clone_from(&insert.with_clause);
        } else if insert.with_clause.is_some() {
            self.read.opaque = true;
        }
        self.query(&source, Shown::Staged);
    }

    fn copy(&mut self, copy: &CopyStmt) {
        if copy.is_from {
            return;
        }
        let to_client = !copy.is_program && copy.filename.is_empty();
        let shown = if to_client { Shown::Copied } else { Shown::Staged };
        if let Some(query) = &copy.query {
            if to_client && self.alone && matches!(query.node, Some(NodeEnum::SelectStmt(_))) {
                self.format = copy::format(copy);
            }
            match as_rows(query, self.schema) {
                Some(select) => self.query(&select, shown),
                None => self.read.opaque = true,
            }
        } else if let Some(relation) = &copy.relation {
            let mut select = tree::plain_select();
            let columns = self.copied_columns(relation, &tree::words(&copy.attlist));
            select.target_list = match columns {
                None => vec![star()],
                Some(columns) => {
                    columns.into_iter().map(|name| tree::target("", tree::column(&[name]))).collect()
                }
            };
            self.format = if to_client && self.alone { copy::format(copy) } else { None };
            select.from_clause = vec![tree::node(NodeEnum::RangeVar(relation.clone()))];
            self.query(&select, shown);
        }
    }

    // A table is copied without what is generated, unless that is named.
    fn copied_columns<'c>(&'c self, relation: &RangeVar, named: &[&'c str]) -> Option<Vec<&'c str>> {
        if !named.is_empty() {
            return Some(named.to_vec());
        }
        match self.schema.find(&relation.schemaname, &relation.relname) {
            Found::One(found) => {
                let copied = found.columns.iter().filter(|column| !column.generated);
                Some(copied.map(|column| column.name.as_str()).collect())
            }
            Found::Unprotected | Found::Several => None,
        }
    }

    fn execute(&mut self, execute: &ExecuteStmt, shown: Option<Shown>) {
        self.read.by_literals = true;
        let parsed = (self.prepared)(&execute.name).and_then(|text| pg_query::parse(&text, 0).ok());
        let statements = parsed.map(|parsed| parsed.protobuf.stmts).unwrap_or_default();
        let prepare = statements.into_iter().find_map(|raw| match raw.stmt?.node? {
            NodeEnum::PrepareStmt(prepare) if prepare.name == execute.name => Some(prepare),
            _ => None,
        });
        let Some(query) = prepare.and_then(|prepare| prepare.query) else {
            self.read.opaque = true;
            return;
        };
        let Some(query) = super::parameters::fill_in(&query, &execute.params) else {
            self.read.opaque = true;
            return;
        };
        match (shown, tree::as_select(Some(&query))) {
            (Some(shown), Some(select)) => self.query(select, shown),
            _ => self.statement(&query),
        }
    }

    fn explain(&mut self, explain: &ExplainStmt) {
        let runs = explain.options.iter().any(|option| match &option.node {
            Some(NodeEnum::DefElem(option)) => {
                option.defname == "analyze" && !tree::is_off(option.arg.as_deref())
            }
            _ => false,
        });
        if !runs {
            return;
        }
        let Some(query) = explain.query.as_deref() else { return };
        match tree::as_select(Some(query)) {
            Some(select) => self.query(select, Shown::Count),
            None => self.statement(query),
        }
    }

    // A column that is computed from others shows them under a name that nothing protects.
    fn computes(&self, alter: &AlterTableStmt) -> bool {
        let Some(relation) = &alter.relation else { return false };
        if matches!(self.schema.find(&relation.schemaname, &relation.relname), Found::Unprotected) {
            return false;
        }
        let generated = ConstrType::ConstrGenerated as i32;
        alter.cmds.iter().any(|command| {
            let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { return true };
            let Some(NodeEnum::ColumnDef(column)) = command.def.as_ref().and_then(|def| def.node.as_ref())
            else {
                return false;
            };
            column.raw_default.is_some() && command.subtype != 1
                || column.constraints.iter().any(|constraint| match &constraint.node {
                    Some(NodeEnum::Constraint(constraint)) => constraint.contype == generated,
                    _ => false,
                })
        })
    }
}

fn changed(returns: bool) -> Shown {
    if returns { Shown::Rows } else { Shown::Changed }
}

// SELECT INTO may stand on the first side of a set operation.
fn first_into(select: &SelectStmt) -> bool {
    select.larg.as_deref().is_some_and(|left| left.into_clause.is_some() || first_into(left))
}

fn star() -> Node {
    let fields = vec![tree::node(NodeEnum::AStar(pg_query::protobuf::AStar {}))];
    tree::target("", tree::node(NodeEnum::ColumnRef(pg_query::protobuf::ColumnRef { fields, location: 0 })))
}

/// Returns a select that gives the rows a statement gives, without its changes; `None` if there is none.
pub(super) fn as_rows(node: &Node, schema: &Schema) -> Option<SelectStmt> {
    match node.node.as_ref()? {
        NodeEnum::SelectStmt(select) => Some((**select).clone()),
        NodeEnum::UpdateStmt(update) => {
            let mut select = update_rows(update, schema);
            select.target_list.extend(staged_by(update, schema));
            Some(select)
        }
        NodeEnum::DeleteStmt(delete) => Some(delete_rows(delete)),
        _ => None,
    }
}

/// Returns a WITH clause that changes nothing; `None` if that cannot be had.
pub(crate) fn reading_with(with: &WithClause, schema: &Schema) -> Option<WithClause> {
    let mut with = with.clone();
    for node in &mut with.ctes {
        if let Some(NodeEnum::CommonTableExpr(cte)) = &mut node.node {
            let select = as_rows(cte.ctequery.as_deref()?, schema)?;
            cte.ctequery = Some(Box::new(tree::select_node(select)));
        }
    }
    Some(with)
}

fn update_rows(update: &UpdateStmt, _: &Schema) -> SelectStmt {
    rows(
        update.relation.as_ref(),
        &update.from_clause,
        update.where_clause.as_deref(),
        update.returning_clause.as_ref().map(|returning| returning.exprs.as_slice()),
        update.with_clause.as_ref(),
    )
}

fn delete_rows(delete: &DeleteStmt) -> SelectStmt {
    rows(
        delete.relation.as_ref(),
        &delete.using_clause,
        delete.where_clause.as_deref(),
        delete.returning_clause.as_ref().map(|returning| returning.exprs.as_slice()),
        delete.with_clause.as_ref(),
    )
}

fn rows(
    relation: Option<&RangeVar>,
    others: &[Node],
    condition: Option<&Node>,
    targets: Option<&[Node]>,
    with: Option<&WithClause>,
) -> SelectStmt {
    let mut select = tree::plain_select();
    select.from_clause.extend(relation.map(|relation| tree::node(NodeEnum::RangeVar(relation.clone()))));
    select.from_clause.extend_from_slice(others);
    select.where_clause = condition.map(|condition| Box::new(condition.clone()));
    select.target_list = targets.map(<[Node]>::to_vec).unwrap_or_default();
    select.with_clause = with.cloned();
    select
}

// What an UPDATE puts where it is not protected; changing a protected column from the row itself is not
// staging.
fn staged_by(update: &UpdateStmt, schema: &Schema) -> Vec<Node> {
    let relation = update.relation.as_ref().and_then(|relation| {
        match schema.find(&relation.schemaname, &relation.relname) {
            Found::One(found) => Some(found),
            _ => None,
        }
    });
    let is_field = |name: &str| {
        let columns = relation.iter().flat_map(|relation| &relation.columns);
        columns
            .filter(|column| column.name == name)
            .any(|column| column.roles.iter().any(|role| matches!(role, Role::Field { .. })))
    };
    let mut staged = Vec::new();
    for node in &update.target_list {
        let Some(NodeEnum::ResTarget(target)) = &node.node else { continue };
        let Some(value) = &target.val else { continue };
        let mut links = false;
        tree::walk(value, &mut |node| links |= matches!(node, NodeEnum::SubLink(_)));
        if links || !update.from_clause.is_empty() || !is_field(&target.name) {
            staged.push(tree::target("", (**value).clone()));
        }
    }
    staged
}
