// The filters: a study is shown when all of them let it through.
const value = (id) => document.getElementById(id).value;
const studies = [...document.querySelectorAll(".studies tbody tr")];
const count = document.getElementById("count");
const all = studies.length;

function filter() {
  const [id, grade, condition, mark] = [value("by-id").trim().toLowerCase(), Number(value("by-grade")), value("by-condition"), value("by-mark")];
  let shown = 0;
  for (const row of studies) {
    const grades = row.dataset.grades.split(" ").map(Number);
    const worst = condition === "" ? Math.max(...grades) : grades[Number(condition)];
    const marks = row.dataset.marks.split(" ");
    const right = row.cells[0].textContent.toLowerCase().includes(id) && (grade < 0 || worst >= grade)
      && (mark === "" || (mark === "clear" ? !marks.some((one) => one === "unsure" || one === "not-seen") : marks.includes(mark)));
    row.hidden = !right;
    shown += right;
  }
  count.textContent = shown === all ? `${all} ${all === 1 ? "study" : "studies"}` : `${shown} of ${all} studies`;
}

for (const kind of ["input", "change"]) document.querySelector(".filters").addEventListener(kind, filter);
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
filter();  // A browser that comes back to the page keeps what was chosen.
